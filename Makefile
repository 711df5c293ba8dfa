# make            the tools, in bin/
# make check      installs what the tests need, builds, runs every test; last line: N passed, N failed
# make demo       installs what is missing, builds, converts the bundled model there and back
# make SAN=1 ...  the same under ASan and UBSan, in build-san/ and bin-san/
# make bench | fuzz | clients | layers | format | deps | install DESTDIR= PREFIX= | clean
comma   := ,
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
VERSION := 0.1.0
S       := $(if $(SAN),-san)
B       := build$S
BIN     := bin$S
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)

CPPFLAGS += -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DWEIGH_VERSION='"$(VERSION)"'
ALL_CFLAGS = -std=c17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
             -fno-strict-aliasing -ffp-contract=off -fstack-protector-strong -fPIE \
             -MMD -MP $(CFLAGS) $(SANITIZE)
ALL_LDFLAGS = -pie $(LDFLAGS) $(SANITIZE)
LDLIBS  += -lcjson -lzstd -lxxhash -lcrypto -pthread

TOOLS := $(patsubst tools/%.c,%,$(wildcard tools/weigh*.c))
LIB   := $(patsubst %.c,$B/%.o,$(wildcard quant/*.c quant/*/*.c formats/*.c formats/*/*.c \
           verify/*.c verify/*/*.c inspect/*.c) $(filter-out $(wildcard tools/weigh*.c),$(wildcard tools/*.c)))
TESTS := $(patsubst %.c,$B/%,$(wildcard tests/*/*_test.c))
TESTLIB := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))

all: $(TOOLS:%=$(BIN)/%)
$(TOOLS:%=$(BIN)/%): $(BIN)/%: $B/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(LDLIBS) -o $@
$(TESTS): %: %.o $(TESTLIB) $(LIB)
	$(CC) $(ALL_LDFLAGS) $^ $(LDLIBS) $$(pkg-config --libs cmocka) -o $@

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c $< -o $@

clean:
	rm -rf build build-* bin bin-*
.PHONY: all clean
.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)
