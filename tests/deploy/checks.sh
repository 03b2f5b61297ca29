# shellcheck shell=bash
# For the scripts in this folder: check() runs a command and counts, summary() prints the counts.
passed=0
failed=0

check() { # check TEXT COMMAND...: passes when the command succeeds
    local text=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok     $text"
        passed=$((passed + 1))
    else
        echo "FAILED $text: $* (status $?): $output"
        failed=$((failed + 1))
    fi
}

refused() { # refused PATTERN COMMAND...: succeeds when the command fails and says PATTERN
    local pattern=$1 output
    shift
    if output=$("$@" 2>&1) || [[ $output != *$pattern* ]]; then
        echo "wanted a refusal with '$pattern', got: $output"
        return 1
    fi
}

says() { # says PATTERN COMMAND...: succeeds when the command does and its output has PATTERN
    local pattern=$1 output
    shift
    if ! output=$("$@" 2>&1) || [[ $output != *$pattern* ]]; then
        echo "$output"
        return 1
    fi
}

until_true() { # until_true SECONDS COMMAND...
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || return 1
        sleep 0.05
    done
}

free_port_block() { # a first port whose next 10, and those 10000 higher, nobody listens on
    local first port
    while true; do
        first=$((10000 + RANDOM % 12000))
        for ((port = first; port < first + 10; port++)); do
            [[ -z $(ss -Hltn "sport = :$port or sport = :$((port + 10000))") ]] || continue 2
        done
        echo "$first"
        return
    done
}

summary() {
    echo "$passed passed, $failed failed"
    ((failed == 0))
}
