/* shared.h - where test data that is too large for the repository lies. */
#ifndef TESTS_SHARED_H
#define TESTS_SHARED_H

/* The path of that file or directory under $WEIGH_SHARED, else under ../shared as
 * seen from the repository's root; NULL after a line "SKIP: ..." on standard error
 * if it is not there, upon which the test calls skip().  Good until the eighth
 * call after this one. */
const char *shared_path(const char *relative);

#endif
