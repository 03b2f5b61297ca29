# Builds, tests and installs slotway: `make help` lists the targets.
# Objects, header dependencies and programs of each variant are kept in build/<variant>/.

MAKEFLAGS += --no-builtin-rules --no-print-directory
ifeq ($(MAKELEVEL)$(findstring -j,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif
.DELETE_ON_ERROR:
.SUFFIXES:

# ---- what can be set from outside ------------------------------------------------------------
PREFIX      ?= /usr/local
SYSCONFDIR  ?= /etc
DESTDIR     ?=
BUILD       ?= build
SANITIZE    ?=
LTO         ?= 1
FUZZ_SECONDS ?= 60
DYGRAPHS    ?= /usr/share/javascript/dygraphs/dygraph.min.js

ifeq ($(origin CC),default)
CC := gcc
endif
comma := ,

ifdef COVERAGE
VARIANT ?= coverage
else ifneq ($(SANITIZE),)
VARIANT ?= $(firstword $(subst $(comma), ,$(SANITIZE)))
else
VARIANT ?= release
endif
OUT := $(BUILD)/$(VARIANT)

# ---- compiler --------------------------------------------------------------------------------
CLANG := $(findstring clang,$(shell $(CC) --version 2>/dev/null))

WARNINGS := -Wall -Wextra -Werror
# An empty _GNU_SOURCE agrees with a plain "#define _GNU_SOURCE" in a file.
ALL_CPPFLAGS := -D_GNU_SOURCE= -Iproxy -Itests -I. $(CPPFLAGS)
BASE_CFLAGS  := -std=gnu11 $(WARNINGS) -g -fno-strict-aliasing -pthread
BASE_LDFLAGS := -pthread -Wl,--as-needed $(LDFLAGS)

ifdef COVERAGE
MODE_CFLAGS := -O1 --coverage -fprofile-update=atomic -DSLOTWAY_COVERAGE=1
MODE_LDFLAGS := --coverage
else ifneq ($(SANITIZE),)
MODE_CFLAGS := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
MODE_LDFLAGS := -fsanitize=$(SANITIZE)
else
MODE_CFLAGS := -O3
JEMALLOC := 1
ifeq ($(LTO),1)
ifeq ($(CLANG),clang)
MODE_CFLAGS += -flto
MODE_LDFLAGS := -O3 -flto
else
# Fat objects carry machine code too, so that the many test programs link without a second
# round of optimisation; only the program itself is linked with it.
# The hot path is many short functions: with room to inline them a GET takes 3 % fewer instructions
# (callgrind, 1,034 to 1,004 at pipeline 16); landing pads for indirect calls cost another 2 %.
INLINE := --param inline-unit-growth=200 --param large-function-growth=1000 \
          --param max-inline-insns-auto=120 --param max-inline-insns-single=400 \
          --param large-unit-insns=50000
MODE_CFLAGS += -flto=auto -ffat-lto-objects -fcf-protection=none $(INLINE)
MODE_LDFLAGS := -O3 -flto=auto -fcf-protection=none $(INLINE)
TEST_LDFLAGS := -fno-lto
endif
endif
endif

ifeq ($(origin AR),default)
ifeq ($(CLANG),clang)
AR := $(shell $(CC) -print-prog-name=llvm-ar 2>/dev/null)
else
AR := $(subst gcc,gcc-ar,$(CC))
endif
endif

ALL_CFLAGS = $(BASE_CFLAGS) $(MODE_CFLAGS) $(CFLAGS)

# ---- libraries -------------------------------------------------------------------------------
# $(call package,NAME,FALLBACK): linker flags by pkg-config where the library has a .pc file.
package = $(shell pkg-config --libs $(1) 2>/dev/null || echo $(2))

LIBS := -lev $(call package,hiredis,-lhiredis) $(call package,libcrypto,-lcrypto) $(call package,libsystemd,-lsystemd) \
        $(call package,libmicrohttpd,-lmicrohttpd) $(call package,jansson,-ljansson) $(call package,libcrypt,-lcrypt) -lm
ifdef JEMALLOC
# As-needed would drop it: with link-time optimisation malloc is not referenced until after that choice.
LIBS += -Wl,--no-as-needed $(call package,jemalloc,-ljemalloc) -Wl,--as-needed
ALL_CPPFLAGS += -DSLOTWAY_JEMALLOC=1
endif
TEST_LIBS := $(call package,check,-lcheck -lsubunit -lrt) $(LIBS)

# ---- sources ---------------------------------------------------------------------------------
SOURCES       := $(wildcard proxy/*.c proxy/*/*.c)
LIB_SOURCES   := $(filter-out proxy/main.c,$(SOURCES))
SUPPORT       := $(wildcard tests/support/*.c)
UNIT_SOURCES  := $(wildcard tests/unit/*_test.c tests/unit/*/*_test.c)
INTEG_SOURCES := $(wildcard tests/integration/*_test.c)
BENCH_SOURCES := tests/bench/floor.c tests/bench/load.c
LOAD_SOURCES  := $(wildcard tests/bench/load_*.c)
FUZZ_SOURCES  := $(wildcard tests/fuzz/*_fuzz.c)

in_out    = $(patsubst %.c,$(OUT)/%$(2),$(1))
PROGRAM  := $(OUT)/slotway
LIBRARY  := $(OUT)/libslotway.a
SUPPORT_LIBRARY := $(OUT)/libsupport.a
ASSETS   := $(OUT)/stats-ui/assets
LIB_OBJECTS     := $(call in_out,$(LIB_SOURCES),.o) $(ASSETS).o
SUPPORT_OBJECTS := $(call in_out,$(SUPPORT),.o)
UNIT_TESTS  := $(call in_out,$(UNIT_SOURCES),)
INTEG_TESTS := $(call in_out,$(INTEG_SOURCES),)
BENCH_TOOLS := $(call in_out,$(BENCH_SOURCES),)
FUZZ_TARGETS := $(patsubst tests/fuzz/%.c,$(OUT)/%,$(FUZZ_SOURCES))
OBJECTS := $(call in_out,$(SOURCES) $(SUPPORT) $(UNIT_SOURCES) $(INTEG_SOURCES) \
             $(BENCH_SOURCES) $(LOAD_SOURCES) $(FUZZ_SOURCES) docs/generate.c,.o)

C_FILES = $(shell git ls-files '*.c' '*.h' 2>/dev/null || \
                  find proxy tests -name '*.[ch]')

# ---- what a user calls -----------------------------------------------------------------------
.PHONY: all run test bench redis-suite fuzz format lint install clean help docs coverage \
        unit-tests integration-tests tests bench-tools fuzz-targets FORCE

all: $(PROGRAM) ## build the optimised program (build/slotway)

run: ## install what is missing, build, start a cluster and slotway on 127.0.0.1:5000
	@deploy/run

test: ## install what is missing, build and run every test
	@deploy/install-deps all
	@FUZZ_SECONDS=$(FUZZ_SECONDS) MAKE="$(MAKE)" BUILD="$(BUILD)" tests/run

bench: ## measure against a direct connection and PEERS="name=host:port:pid ..."
	@deploy/install-deps all
	@$(MAKE) all bench-tools
	@PEERS="$(PEERS)" BUILD="$(BUILD)" tests/bench/run

redis-suite: ## run Redis' own test suite against slotway (fetches Redis' source; UNITS="unit/keyspace ...")
	@deploy/install-deps build run suite
	@$(MAKE) all
	@BUILD="$(BUILD)" tests/redis-suite $(UNITS)

fuzz: ## fuzz each target for FUZZ_SECONDS (60) over its corpus
	@$(MAKE) fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) BUILD="$(BUILD)" tests/run fuzz

coverage: ## run the unit and integration tests with coverage and print it
	@MAKE="$(MAKE)" BUILD="$(BUILD)" tests/run coverage

format: ## format every C file
	clang-format -i $(C_FILES)

lint: ## check formatting, static analysis, shell scripts; anything found fails
	@tests/lint

docs: $(OUT)/docs/generate ## generate configuration reference, sample configuration and manual page
	@$(OUT)/docs/generate .

# Quoted: folders may have spaces in their names.
TO_PREFIX := "$(DESTDIR)$(PREFIX)"
CONF      := "$(DESTDIR)$(SYSCONFDIR)/slotway/slotway.conf"
install: $(PROGRAM) ## install program, unit, sample configuration, manual (DESTDIR= PREFIX=)
	install -D -m 755 $(PROGRAM) $(TO_PREFIX)/bin/slotway
	install -D -m 644 docs/slotway.8 $(TO_PREFIX)/share/man/man8/slotway.8
	install -D -m 644 LICENSE $(TO_PREFIX)/share/doc/slotway/LICENSE
	install -d $(TO_PREFIX)/lib/systemd/system
	sed -e 's|/usr/bin/slotway|$(PREFIX)/bin/slotway|' -e 's|/etc/slotway|$(SYSCONFDIR)/slotway|' \
	    deploy/slotway.service > $(TO_PREFIX)/lib/systemd/system/slotway.service
	chmod 644 $(TO_PREFIX)/lib/systemd/system/slotway.service
	@if cmp -s conf/slotway.conf $(CONF); then :; elif [ -e $(CONF) ]; then \
	    install -m 644 conf/slotway.conf $(CONF).new; \
	    echo kept $(CONF)"; the new sample is slotway.conf.new"; \
	else \
	    install -D -m 644 conf/slotway.conf $(CONF); \
	fi

clean: ## remove everything that was built
	rm -rf "$(BUILD)"

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1|/p' $(firstword $(MAKEFILE_LIST)) | \
	    while IFS='|' read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done
	@echo '  Variables: CC=gcc|clang SANITIZE=address,undefined|thread COVERAGE=1 LTO=0 BUILD=build'

# ---- parts (used by tests/run, useful while developing) --------------------------------------
unit-tests: $(UNIT_TESTS)
integration-tests: $(PROGRAM) $(INTEG_TESTS)
tests: unit-tests integration-tests
bench-tools: $(BENCH_TOOLS)
.PHONY: fuzz-build
fuzz-build:
	@$(MAKE) CC=clang VARIANT=fuzz SANITIZE=address,undefined \
	    CFLAGS="$(CFLAGS) -fsanitize=fuzzer-no-link -DSLOTWAY_FUZZ=1" fuzz-targets
fuzz-targets: $(FUZZ_TARGETS)

# ---- rules -----------------------------------------------------------------------------------
# These two files change only when their content does: a new compiler or flag rebuilds the
# variant, an added or removed source file rebuilds the archive.
define if_changed
@mkdir -p $(@D)
@printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
endef
$(OUT)/flags: FORCE
	$(call if_changed,$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(BASE_LDFLAGS) $(MODE_LDFLAGS) $(LIBS))
$(OUT)/sources: FORCE
	$(call if_changed,$(sort $(SOURCES) $(SUPPORT)))

$(OUT)/%.o: %.c $(OUT)/flags
	@mkdir -p $(@D)
	@echo "  CC    $@"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# The operators' page, with the charting library, as a C file.
$(ASSETS).c: $(wildcard stats-ui/* stats-ui/script/*) $(wildcard $(DYGRAPHS))
	@mkdir -p $(@D)
	@stats-ui/embed $@ $(DYGRAPHS)

$(ASSETS).o: $(ASSETS).c proxy/http/assets.h $(OUT)/flags
	@echo "  CC    $@"
	@$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

$(LIBRARY): $(LIB_OBJECTS) $(OUT)/sources
	@rm -f $@
	@$(AR) rcsD $@ $(LIB_OBJECTS)

$(SUPPORT_LIBRARY): $(SUPPORT_OBJECTS) $(OUT)/sources
	@rm -f $@
	@$(AR) rcsD $@ $(SUPPORT_OBJECTS)

$(PROGRAM): $(OUT)/proxy/main.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(BASE_LDFLAGS) $(MODE_LDFLAGS) -o $@ $(OUT)/proxy/main.o $(LIB_OBJECTS) $(LIBS)
	@if [ $(VARIANT) = release ]; then ln -sfn release/slotway $(BUILD)/slotway; fi

link_test = $(CC) $(ALL_CFLAGS) $(BASE_LDFLAGS) $(MODE_LDFLAGS) $(TEST_LDFLAGS) -o $@ \
            $(filter %.o,$^) $(SUPPORT_LIBRARY) $(LIBRARY) $(TEST_LIBS)

$(UNIT_TESTS) $(INTEG_TESTS) $(BENCH_TOOLS): $(OUT)/%: $(OUT)/%.o $(SUPPORT_LIBRARY) $(LIBRARY)
	@echo "  LINK  $@"
	@$(link_test)

$(OUT)/tests/bench/load: $(call in_out,$(LOAD_SOURCES),.o)

$(OUT)/docs/generate: $(OUT)/docs/generate.o $(LIBRARY)
	@$(CC) $(ALL_CFLAGS) $(BASE_LDFLAGS) $(MODE_LDFLAGS) $(TEST_LDFLAGS) -o $@ $< $(LIBRARY) $(LIBS)

$(FUZZ_TARGETS): $(OUT)/%: $(OUT)/tests/fuzz/%.o $(LIBRARY)
	@echo "  LINK  $@"
	@$(CC) $(ALL_CFLAGS) $(BASE_LDFLAGS) $(MODE_LDFLAGS) -fsanitize=fuzzer -o $@ $< $(LIBRARY) $(LIBS)

.SECONDARY: $(OBJECTS)
-include $(OBJECTS:.o=.d)
