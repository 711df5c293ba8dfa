# make            the tools, in bin/
# make check      installs what the tests need, builds, runs every test; last line: N passed, N failed
# make check-arm  the kernels of 64-bit ARM under qemu, with Debian's cross compiler; installs both
# make demo       installs what is missing, builds, converts the bundled model there and back
# make SAN=1 ...  the same under ASan and UBSan, in build-san/ and bin-san/
# make layers | format       no folder includes one to its right; clang-format (format-fix: in place)
# make fuzz [FUZZ="json ..."] [FUZZ_RUNS=N | FUZZ_SECONDS=N]      clang's libFuzzer, by itself
# make bench [BENCH_DIR=DIR] | clients (llama.cpp and a GGUF parser from npm)
# make install DESTDIR= PREFIX= | deps (package names for apt, dnf, brew) | clean
# make everything WERROR=1   all programs and tests, as CI compiles them; S=-name: in build-name/, bin-name/
# CC CPPFLAGS CFLAGS LDFLAGS LDLIBS are the user's
comma   := ,
CFLAGS  ?= -O2 -g
PREFIX  ?= /usr/local
VERSION := 0.1.0
ifeq ($(MAKECMDGOALS),fuzz)
CC       := clang
S        := -fuzz
SANITIZE := -fsanitize=fuzzer-no-link$(comma)address$(comma)undefined -fno-sanitize-recover=all
else
S        := $(if $(SAN),-san)
SANITIZE := $(if $(SAN),-fsanitize=address$(comma)undefined -fno-sanitize-recover=all)
endif
B   := build$S
BIN := bin$S
ifeq (,$(filter -j% --jobs%,$(MAKEFLAGS)))
MAKEFLAGS += -j$(shell nproc 2>/dev/null || echo 2)
endif

ALL_CPPFLAGS = -I. -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -DWEIGH_VERSION='"$(VERSION)"' $(CPPFLAGS)
ALL_CFLAGS = -std=c17 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes \
             $(if $(WERROR),-Werror) -fno-strict-aliasing -ffp-contract=off -fstack-protector-strong \
             -fPIE -MMD -MP $(CFLAGS) $(SANITIZE)
ALL_LDFLAGS = -pie $(LDFLAGS) $(SANITIZE)
ALL_LDLIBS = -lcjson -lzstd -lxxhash -lcrypto -lpcre2-8 -pthread $(LDLIBS)

TOOLS   := $(patsubst tools/%.c,%,$(wildcard tools/weigh*.c))
OBJECTS := $(patsubst %.c,$B/%.o,$(wildcard quant/*.c quant/*/*.c formats/*.c formats/*/*.c \
             verify/*.c verify/*/*.c inspect/*.c) $(filter-out $(wildcard tools/weigh*.c),$(wildcard tools/*.c)))
LIB     := $B/weigh.a
TESTS   := $(patsubst %.c,$B/%,$(wildcard tests/*/*_test.c))
TESTLIB := $(patsubst %.c,$B/%.o,$(wildcard tests/support/*.c))
FUZZERS := $(patsubst %.c,$B/%,$(wildcard tests/fuzz/*_fuzz.c))
REPLAYS := $(FUZZERS:_fuzz=_replay)
CLI     := $(wildcard tests/cli/*.sh)
SOURCES := $(wildcard $(foreach d,quant formats verify inspect tools tests,$(addprefix $d/,*.[ch] */*.[ch])))

all: $(TOOLS:%=$(BIN)/%)
$(LIB): $(OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^
$(TOOLS:%=$(BIN)/%): $(BIN)/%: $B/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(CC) $(ALL_LDFLAGS) $^ $(ALL_LDLIBS) -o $@
$(TESTS): %: %.o $(TESTLIB) $(LIB)
	$(CC) $(ALL_LDFLAGS) $^ $(ALL_LDLIBS) $$(pkg-config --libs cmocka) -lm -o $@
$(REPLAYS): %_replay: %_fuzz.o $B/tests/fuzz/replay.o $(TESTLIB) $(LIB)
	$(CC) $(ALL_LDFLAGS) $^ $(ALL_LDLIBS) -o $@
$(FUZZERS): %: %.o $(TESTLIB) $(LIB)
	$(CC) $(ALL_LDFLAGS) -fsanitize=fuzzer $^ $(ALL_LDLIBS) -o $@
$B/tests/bench/forward: %: %.o $(LIB)
	$(CC) $(ALL_LDFLAGS) $^ $(ALL_LDLIBS) -o $@
$B/tests/bench/measure: %: %.o
	$(CC) $(ALL_LDFLAGS) $^ -o $@

# A kernel file says its instruction set in its name; nothing else gets -m flags.
ifneq (,$(filter x86_64%,$(shell $(CC) -dumpmachine)))
$B/quant/kernel/x86_avx2.o:   ISA = -mavx2 -mf16c
$B/quant/kernel/x86_avx512.o: ISA = -mavx512f -mavx512bw -mavx512vl -mavx512dq
endif
$B/%.o: %.c | packages
	@mkdir -p $(@D)
	$(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ISA) -c $< -o $@

# Before anything is compiled: for `check` and `demo` what is missing is installed, else never.
packages:
	@$(if $(filter check,$(MAKECMDGOALS)),tests/packages test,$(if $(filter demo,$(MAKECMDGOALS)),tests/packages build,:))
deps:
	@tests/packages list

everything: all $(TESTS) $(REPLAYS) $B/tests/bench/measure $B/tests/bench/forward
check: everything layers
	@tests/run $(BIN) $B/log $(TESTS) $(REPLAYS) $(CLI)
demo: all
	@tests/demo.sh $(BIN) $B/demo
bench: all $B/tests/bench/measure $B/tests/bench/forward
	@tests/bench/bench.sh $(BIN) $B/tests/bench/measure
	@tests/bench/forward.sh $(BIN) $B/tests/bench/forward
clients: all
	@tests/clients/run.sh $(BIN)
# quant and its kernel test alone, for 64-bit ARM; not part of check
check-arm:
	@tests/packages arm
	@MAKEFLAGS="$(filter-out -j% --job%,$(MAKEFLAGS))" $(MAKE) --no-print-directory S=-arm SAN= \
	    CC=aarch64-linux-gnu-gcc build-arm/kernel_test
	qemu-aarch64 build-arm/kernel_test
$B/kernel_test: $(addprefix $B/tests/,kernel/kernel_test.o support/guard.o support/values.o) $(filter $B/quant/%,$(OBJECTS))
	$(CC) -static $(LDFLAGS) $^ -o $@
fuzz: $(addprefix fuzz-,$(or $(FUZZ),$(patsubst $B/tests/fuzz/%_fuzz,%,$(FUZZERS))))
fuzz-%: $B/tests/fuzz/%_fuzz
	@tests/fuzz/run $< $B/fuzz

layers: # quant -> formats -> verify -> inspect -> tools; tests see all
	@! grep -nE '#include "(formats|verify|inspect|tools|tests|\.\.)/' -r $(wildcard quant) /dev/null
	@! grep -nE '#include "(verify|inspect|tools|tests|\.\.)/' -r $(wildcard formats) /dev/null
	@! grep -nE '#include "(inspect|tools|tests|\.\.)/' -r $(wildcard verify) /dev/null
	@! grep -nE '#include "(tools|tests|\.\.)/' -r $(wildcard inspect) /dev/null
	@! grep -nE '#include "(tests|\.\.)/' -r $(wildcard tools) /dev/null
format:
	clang-format --dry-run -Werror $(SOURCES)
format-fix:
	clang-format -i $(SOURCES)

SHARE = $(DESTDIR)$(PREFIX)/share
install: all
	install -d $(DESTDIR)$(PREFIX)/bin $(SHARE)/man/man1 $(SHARE)/bash-completion/completions \
	    $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d
	install $(TOOLS:%=$(BIN)/%) $(DESTDIR)$(PREFIX)/bin
	for t in $(TOOLS); do \
	    $(BIN)/$$t --man > $(SHARE)/man/man1/$$t.1 && \
	    $(BIN)/$$t --completion bash > $(SHARE)/bash-completion/completions/$$t && \
	    $(BIN)/$$t --completion zsh > $(SHARE)/zsh/site-functions/_$$t && \
	    $(BIN)/$$t --completion fish > $(SHARE)/fish/vendor_completions.d/$$t.fish || exit 1; done
clean:
	rm -rf build build-* bin bin-*
.PHONY: all packages deps everything check check-arm demo bench clients fuzz layers format format-fix install clean
.SECONDARY:
-include $(patsubst %.c,$B/%.d,$(filter %.c,$(SOURCES)))
