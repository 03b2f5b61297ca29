/* version: the version of this source tree, as --version, INFO and the manual show it.
 * Raised by hand with each release. */
#ifndef SLOTWAY_VERSION_H
#define SLOTWAY_VERSION_H

#define SLOTWAY_VERSION "0.1.0"

#endif
