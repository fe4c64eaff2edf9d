# getMe: one Makefile, not recursive over folders; all that is built goes
# below $(B).  V=1 shows the commands.

VERSION = 0.1.0
SONAME = libgetme-client.so.0

# A new file is one word in one of these lists; tests/check-lists compares
# them with the folders.

# common/, the storage engine.
COMMON = backup backup_folder check check_segment checksum compaction \
	compaction_graves compaction_lines compaction_output \
	compaction_pick digest engine_arena engine_backup engine_branch engine_branch_read engine_cold \
	engine_compact engine_decide engine_local engine_log engine_many \
	engine_read engine_scan engine_settle engine_share engine_stats \
	engine_throttle engine_worker engine_write entry events finding \
	folder guarded hint hint_builder hint_filter index index_load \
	index_memory index_owner index_scan inventory inventory_folder \
	inventory_rebuild inventory_tails io lock log lookup mailbox manifest \
	mapped path pending pool read_pool record recovery recovery_load \
	recovery_tail repair repair_copy repair_load repair_quarantine \
	retire salvage scrub segment segment_header segment_reader \
	segments spares store store_backup store_compact store_open store_view \
	tail tails units upkeep upkeep_output upkeep_round view whole_file

# proto/, the wire.
PROTO = buffer frame message message_check message_decode message_encode \
	message_encode_reply message_info message_item message_option \
	message_quick message_quick_encode message_reply message_request \
	message_writer method

# daemon/, getmed; main.c is added to the program alone.
DAEMON = answers config connection daemon discard dispatch dispatch_attach \
	dispatch_info dispatch_read dispatch_write failure intake lane latency listener \
	logging loop metrics monitor options output paths peers rate request \
	refusal results server service systemd worker

# client/, the library, and getmectl; getmectl.c is added to the program alone.
LIBRARY = answer ask batch call connect deadline direct direct_attach \
	direct_many direct_map fork_mark handle many ops option_struct \
	pipeline result scan session socket_path stats task tickets transport
GETMECTL = ctl_base64 ctl_batch ctl_check ctl_command ctl_exit ctl_export \
	ctl_files ctl_finding ctl_import ctl_json ctl_keys ctl_lines \
	ctl_options ctl_progress ctl_record ctl_repair ctl_stats ctl_store \
	ctl_write

# tests/: what several tests share; then programs, one a word.
SUPPORT = bench_rig child_daemon client_fixture compaction_lab ctl_run \
	daemon_rig descriptors engine_rig entry_witness fake_engine fake_server \
	fake_store golden history hook_io hostile_steps hostile_store \
	message_equal msgpack_text pair_handle quota_io rest_kit \
	segment_maker shared_store store_kit store_runs tempdir writer_model
TESTS = test_allocations test_answers test_attach test_backup test_bitrot \
	test_buffer test_bytes \
	test_check test_check_rules test_checksum test_client_answer \
	test_client_ask test_client_attach test_client_batch \
	test_client_call test_client_connect test_client_deadline \
	test_client_direct test_client_fork test_client_handle \
	test_client_hostile test_client_loss test_client_many \
	test_client_memory test_client_ops test_client_option_struct \
	test_client_pipeline test_client_result test_client_scan \
	test_client_session test_client_socket_path \
	test_client_stats test_client_task test_client_tickets \
	test_client_transport test_cold_history test_compaction \
	test_compaction_damage test_compaction_graves \
	test_compaction_lines test_compaction_output test_compaction_pick \
	test_config test_connection test_ctl_base64 test_ctl_batch \
	test_ctl_check test_ctl_command test_ctl_exit test_ctl_export \
	test_ctl_files test_ctl_finding test_ctl_import test_ctl_json \
	test_ctl_lines test_ctl_options test_ctl_progress test_ctl_record \
	test_ctl_repair test_ctl_stats test_ctl_store test_daemon \
	test_digest test_discard test_dispatch test_engine \
	test_engine_backup test_engine_branch test_engine_cold test_engine_compact \
	test_engine_mapped test_engine_share test_entry test_events \
	test_failure test_finding test_folder test_folder_output \
	test_frame test_golden test_guarded test_hint test_hint_filter \
	test_history test_index test_intake test_inventory test_io \
	test_lane test_latency test_listener test_lock test_log \
	test_logging test_lookup test_loop test_mailbox test_manifest test_mapped \
	test_message test_message_check test_message_quick \
	test_message_reply test_message_request test_method test_metrics \
	test_monitor test_monotonic test_options test_output test_path \
	test_paths test_peers test_pending test_pool test_rate \
	test_read_pool test_record test_recovery test_recovery_load \
	test_recovery_tail test_repair test_repair_damage \
	test_repair_rebuild test_request test_results test_retire \
	test_salvage test_scrub test_segment test_segment_output \
	test_segments test_server test_service test_simfs test_spares \
	test_store \
	test_store_compact test_store_compact_faults \
	test_store_compact_full test_store_compact_graves \
	test_store_compact_model test_store_compact_steady test_systemd \
	test_tail test_tails test_units test_upkeep test_upkeep_output \
	test_view test_view_race test_whole_file test_worker

# tests/crash/: power cuts and injected faults.  A word that does not begin
# with test_ is no program but shared.
CRASH = fault_run hashset oracle simbytes simfs simfs_states simtree verify \
	workload test_alloc_faults test_failed_sync test_faults \
	test_powercut test_repair_cut

# tests/golden/: what makes golden stores; built, and run by hand.
GOLDEN = make_golden

# tests/fuzz/: libFuzzer targets, with their seeds, if any, in seeds/NAME/.
FUZZ = fuzz_client fuzz_connection fuzz_direct fuzz_entry fuzz_frame \
	fuzz_hint fuzz_manifest fuzz_message_reply fuzz_record fuzz_rest \
	fuzz_segment

# tests/bench/: one module each, bench_MODULE; `make microbench` runs them.
# What is named otherwise helps the scripts there.  BENCH_KIT is shared by
# them; BENCH_PEERS, which only `make bench` builds, need the libraries of
# `make bench-deps`.
BENCH = bench_cold bench_index bench_large bench_message bench_restart \
	bench_view first_reply generator limit peer_client \
	peer_memory peer_store steady
BENCH_KIT = gang keys peer stopwatch wire work zipf
BENCH_PEERS = peer_leveldb peer_lmdb peer_rocksdb

# tests/e2e/: the real programs.  What is named test_ is run (of these,
# E2E_ALONE with nothing beside it, since it measures time), the rest helps;
# a word without .sh is built from C.
E2E = attack hostile manifest_version notify put_rate records test_activation.sh \
	test_attack.sh test_backup.sh test_bad_input.sh test_check_repair.sh \
	test_delete_most.sh test_full_disk.sh test_generator.sh test_getmectl.sh \
	test_hostile.sh test_linear test_real_data.sh test_soak.sh test_start.sh \
	test_sync_order.sh test_systemd_units.sh test_threads.sh wire
E2E_ALONE = test_rates.sh

# tests/torture/: everything at once, for long; all but `soak` is shared.
TORTURE = soak soak_backup soak_crowd soak_daemon soak_faults soak_gate \
	soak_keys soak_reader soak_scan soak_upkeep soak_writer

# Tests that are built and run with ThreadSanitizer too.
TSAN_TESTS = test_cold_history test_engine test_engine_backup \
	test_engine_branch test_engine_cold test_engine_compact test_lookup \
	test_mailbox test_read_pool \
	test_segments test_upkeep test_upkeep_output test_view test_view_race \
	test_worker

# man/; and systemd/, whose folders user/, sysusers.d/ and tmpfiles.d/ tell
# where a file goes.
MAN = getme-protocol.7 getme.3 getme_batch.3 getme_compact.3 getme_get.3 \
	getme_open.3 getme_put.3 getme_scan.3 getme_stats.3 getme_submit.3 \
	getmectl.1 getmed.8 getmed.conf.5
SYSTEMD = getmed.service getmed.socket getmed@.service getmed@.socket \
	sysusers.d/getme.conf tmpfiles.d/getme.conf user/getmed.service \
	user/getmed.socket

C_SOURCES = $(COMMON:%=common/%.c) $(PROTO:%=proto/%.c) \
	$(DAEMON:%=daemon/%.c) daemon/main.c $(LIBRARY:%=client/%.c) \
	$(GETMECTL:%=client/%.c) client/getmectl.c \
	$(SUPPORT:%=tests/support/%.c) tests/support/example.c \
	$(TESTS:%=tests/%.c) \
	$(CRASH:%=tests/crash/%.c) $(FUZZ:%=tests/fuzz/%.c) \
	$(GOLDEN:%=tests/golden/%.c) \
	$(BENCH:%=tests/bench/%.c) $(BENCH_KIT:%=tests/bench/%.c) \
	$(E2E_C:%=tests/e2e/%.c) $(TORTURE:%=tests/torture/%.c)
PEER_SOURCES = $(BENCH_PEERS:%=tests/bench/%.c)
E2E_C = $(filter-out %.sh,$(E2E) $(E2E_ALONE))
E2E_SH = $(filter %.sh,$(E2E) $(E2E_ALONE))
SOURCES = $(C_SOURCES) $(PEER_SOURCES) $(E2E_SH:%=tests/e2e/%) $(MAN:%=man/%) \
	$(SYSTEMD:%=systemd/%)

# -- Folders and options ---------------------------------------------------

MAKEFLAGS += --no-print-directory
comma = ,
B ?= build$(if $(SAN),/san-$(subst $(comma),-,$(SAN)))
PREFIX ?= /usr/local
BINDIR ?= $(PREFIX)/bin
LIBDIR ?= $(PREFIX)/lib
INCLUDEDIR ?= $(PREFIX)/include
MANDIR ?= $(PREFIX)/share/man
UNITDIR ?= $(PREFIX)/lib/systemd/system
USERUNITDIR ?= $(PREFIX)/lib/systemd/user
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d

ifeq ($(origin CC),default)
CC = gcc
endif
CFLAGS ?= -O2 -g -fstack-protector-strong
PKG_CONFIG ?= pkg-config
OBJCOPY ?= objcopy
Q = $(if $(V),,@)
say = $(if $(V),,@printf '  %-7s %s\n' '$(1)' '$(2)')

WARNINGS = -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wformat=2
LANGUAGE = -std=c11 -D_GNU_SOURCE -I. -DGETME_VERSION='"$(VERSION)"'
SANITIZE = $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer \
	$(if $(findstring undefined,$(SAN)),-fno-sanitize-recover=undefined))

# Every object may become part of the shared library, and shows nothing but
# what getme.h marks as public.
COMPILE = $(CC) $(LANGUAGE) -pthread -fPIC -fvisibility=hidden $(WARNINGS) \
	$(SANITIZE) $(if $(FUZZING),-fsanitize=fuzzer-no-link) \
	$(LIBRARY_CFLAGS) $(CPPFLAGS) $(CFLAGS)
LINK = $(CC) -pthread -Wl,--as-needed -Wl,-z,relro -Wl,-z,now $(SANITIZE) \
	$(CFLAGS) $(LDFLAGS)

# -- Libraries -------------------------------------------------------------

# Each is looked up once, when a command first needs it, so that `make deps`
# and `make clean` work without them.
# $(call need,NAMES,PACKAGE) is the first of the pkg-config names that exists.
once = $(eval $(1) := $(2))$($(1))
flags = $(shell $(PKG_CONFIG) $(1))
missing = $(error $(1) is missing: it is in the Debian package $(2), which \
	`make deps` installs)
need = $(or $(firstword $(foreach name,$(1),$(shell \
	$(PKG_CONFIG) --exists $(name) 2>/dev/null && echo $(name)))),$(if \
	$(shell command -v $(PKG_CONFIG)),,$(call \
	missing,$(PKG_CONFIG),pkg-config)),$(call \
	missing,$(firstword $(1)),$(2)))

EVENT_PC = $(call once,EVENT_PC,$(call \
	need,libevent_core libevent,libevent-dev))
MSGPACK_PC = $(call once,MSGPACK_PC,$(call \
	need,msgpack msgpack-c,libmsgpack-dev))
SYSTEMD_PC = $(call once,SYSTEMD_PC,$(call need,libsystemd,libsystemd-dev))
ISAL_PC = $(call once,ISAL_PC,$(call need,libisal,libisal-dev))
SODIUM_PC = $(call once,SODIUM_PC,$(call need,libsodium,libsodium-dev))
JANSSON_PC = $(call once,JANSSON_PC,$(call need,jansson,libjansson-dev))
INIH_PC = $(call once,INIH_PC,$(call need,inih,libinih-dev))
CMOCKA_PC = $(call once,CMOCKA_PC,$(call need,cmocka,libcmocka-dev))

LIBRARY_CFLAGS = $(call once,LIBRARY_CFLAGS,$(call flags,--cflags \
	$(EVENT_PC) $(MSGPACK_PC) $(SYSTEMD_PC) $(ISAL_PC) $(SODIUM_PC) \
	$(JANSSON_PC) $(INIH_PC)))
CLIENT_LIBS = $(call once,CLIENT_LIBS,$(call flags,--libs \
	$(MSGPACK_PC) $(ISAL_PC) $(SODIUM_PC)))
DAEMON_LIBS = $(call once,DAEMON_LIBS,$(call flags,--libs $(EVENT_PC) \
	$(MSGPACK_PC) $(SYSTEMD_PC) $(ISAL_PC) $(SODIUM_PC) $(INIH_PC)))
GETMECTL_LIBS = $(call once,GETMECTL_LIBS,$(call flags,--libs $(JANSSON_PC)))
TEST_LIBS = $(call once,TEST_LIBS,$(call flags,--libs $(CMOCKA_PC)))

# -- Building --------------------------------------------------------------

object = $(patsubst %,$(B)/obj/$(1)/%.o,$(2))
COMMON_O = $(call object,common,$(COMMON))
PROTO_O = $(call object,proto,$(PROTO))
DAEMON_O = $(call object,daemon,$(DAEMON))
LIBRARY_O = $(call object,client,$(LIBRARY))
GETMECTL_O = $(call object,client,$(GETMECTL))
SUPPORT_O = $(call object,tests/support,$(SUPPORT)) \
	$(call object,tests/crash,$(filter-out test_%,$(CRASH))) \
	$(call object,tests/torture,$(filter-out soak,$(TORTURE)))

BENCH_KIT_O = $(call object,tests/bench,$(BENCH_KIT))

LAYERS = $(patsubst %,$(B)/lib%.a,support ctl client daemon proto common)
PROGRAMS = $(patsubst %,$(B)/%,getmed getmectl)
LIBRARIES = $(B)/libgetme-client.so $(B)/$(SONAME) $(B)/libgetme-client.a
SHARED = $(B)/libgetme-client.so.$(VERSION)

TEST_PROGRAMS = $(addprefix $(B)/tests/,$(TESTS) \
	$(addprefix crash/,$(filter test_%,$(CRASH))) \
	$(addprefix golden/,$(GOLDEN)) \
	$(addprefix bench/,$(BENCH)) $(addprefix e2e/,$(E2E_C)) \
	torture/soak)

.PHONY: all tests
all: $(PROGRAMS) $(LIBRARIES) $(B)/getme-client.pc $(B)/man/done \
	$(B)/systemd/done
tests: $(TEST_PROGRAMS)

.SUFFIXES:
.SECONDARY:
.DELETE_ON_ERROR:
.PHONY: FORCE
FORCE:

# $(call stamp,TEXT) makes a file that is newer only when its text is another.
define stamp
@mkdir -p $(@D)
@printf '%s\n' '$(subst ','\'',$(1))' >$@.new
@cmp -s $@.new $@ && rm $@.new || mv $@.new $@
endef

$(B)/flags: FORCE
	$(call stamp,$(COMPILE) $(LINK))

$(B)/objects: FORCE
	$(call stamp,$(C_SOURCES))

$(B)/folders: FORCE
	$(call stamp,$(VERSION) $(PREFIX) $(BINDIR) $(LIBDIR) $(INCLUDEDIR) \
		$(MANDIR) $(UNITDIR) $(USERUNITDIR) $(SYSUSERSDIR) \
		$(TMPFILESDIR))

define compile
$(call say,CC,$<)
@mkdir -p $(@D)
$(Q)$(COMPILE) -MMD -MP -c -o $@ $<
endef

$(B)/obj/%.o: %.c $(B)/flags
	$(compile)

# As a program outside of the tree includes it.
$(B)/obj/tests/support/example.o: private LANGUAGE += -Iclient

# libFuzzer calls it, no header declares it.
$(B)/obj/tests/fuzz/%.o $(B)/tidy/tests/fuzz/%: \
	private WARNINGS += -Wno-missing-prototypes
$(B)/obj/tests/fuzz/%.o: tests/fuzz/%.c $(B)/flags
	$(compile)

-include $(wildcard $(B)/obj/*/*.d $(B)/obj/tests/*/*.d)

# One archive a layer: a program takes from it what it names.
$(B)/libcommon.a: $(COMMON_O)
$(B)/libproto.a: $(PROTO_O)
$(B)/libdaemon.a: $(DAEMON_O)
$(B)/libclient.a: $(LIBRARY_O)
$(B)/libctl.a: $(GETMECTL_O)
$(B)/libsupport.a: $(SUPPORT_O)
$(B)/libbench.a: $(BENCH_KIT_O)
$(LAYERS) $(B)/libbench.a: $(B)/objects
	$(call say,AR,$@)
	@mkdir -p $(@D)
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(filter %.o,$^)

$(B)/getmed: $(B)/obj/daemon/main.o $(B)/libdaemon.a $(B)/libproto.a \
		$(B)/libcommon.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(DAEMON_LIBS)

$(B)/getmectl: $(B)/obj/client/getmectl.o $(B)/libctl.a \
		$(B)/libgetme-client.a $(B)/libcommon.a
	$(call say,LD,$@)
	$(Q)$(LINK) -o $@ $^ $(GETMECTL_LIBS) $(CLIENT_LIBS)

$(SHARED): $(LIBRARY_O) client/getme.map $(B)/libproto.a $(B)/libcommon.a
	$(call say,LD,$@)
	$(Q)$(LINK) -shared -Wl,-soname,$(SONAME) $(if $(SAN),,-Wl,-z,defs) \
		-Wl,--version-script=client/getme.map -o $@ \
		$(filter-out %.map,$^) $(CLIENT_LIBS)

$(B)/libgetme-client.so $(B)/$(SONAME): $(SHARED)
	@ln -sf $(<F) $@

# One object in which all that is not public has become local.
$(B)/libgetme-client.a: $(LIBRARY_O) $(B)/libproto.a $(B)/libcommon.a
	$(call say,AR,$@)
	$(Q)$(LD) -r -o $(B)/obj/libgetme-client.o $^
	$(Q)$(OBJCOPY) --localize-hidden $(B)/obj/libgetme-client.o
	@rm -f $@
	$(Q)$(AR) rcsD $@ $(B)/obj/libgetme-client.o

# A test links the real objects; LDFLAGS_test_x is for a test that wraps a
# function to inject failures.
LDFLAGS_test_client_memory = -Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc
LDFLAGS_test_request = $(LDFLAGS_test_client_memory)
LDFLAGS_test_alloc_faults = $(LDFLAGS_test_client_memory) \
	-Wl,--wrap=mmap,--wrap=memfd_create
TEST_OBJECTS = -Wl,--start-group $(LAYERS) -Wl,--end-group
$(B)/tests/%: $(B)/obj/tests/%.o $(LAYERS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) $(LDFLAGS_$(*F)) -o $@ $< $(TEST_OBJECTS) $(TEST_LIBS) \
		$(DAEMON_LIBS) $(GETMECTL_LIBS)

# A benchmark's program may have its main in the kit.
LIBS_peer_leveldb = -lleveldb
LIBS_peer_lmdb = -llmdb
LIBS_peer_rocksdb = -lrocksdb
$(B)/tests/bench/%: $(B)/obj/tests/bench/%.o $(B)/libbench.a $(LAYERS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $< -Wl,--start-group $(B)/libbench.a $(LAYERS) \
		-Wl,--end-group $(DAEMON_LIBS) $(LIBS_$(*F)) -lm

$(B)/tests/fuzz/%: $(B)/obj/tests/fuzz/%.o $(LAYERS)
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(LINK) -fsanitize=fuzzer -o $@ $< $(TEST_OBJECTS) $(TEST_LIBS) \
		$(DAEMON_LIBS) $(GETMECTL_LIBS)

# -- Files with the folders of the installation in them ---------------------

SUBSTITUTE = sed -e 's|@version@|$(VERSION)|g' -e 's|@prefix@|$(PREFIX)|g' \
	-e 's|@bindir@|$(BINDIR)|g' -e 's|@libdir@|$(LIBDIR)|g' \
	-e 's|@includedir@|$(INCLUDEDIR)|g'

$(B)/getme-client.pc: client/getme-client.pc.in $(B)/folders
	$(Q)$(SUBSTITUTE) -e 's|@libs@|$(CLIENT_LIBS) -pthread|' $< >$@

$(B)/systemd/done: $(SYSTEMD:%=systemd/%) $(B)/folders
	@rm -rf $(@D) && mkdir -p $(sort $(dir $(SYSTEMD:%=$(@D)/%)) $(@D))
	$(Q)for f in $(SYSTEMD); do \
		$(SUBSTITUTE) systemd/$$f >$(@D)/$$f || exit 1; \
	done
	@touch $@

# A page about several functions is found under each one's name.
man_names = awk ' \
	FNR == 1 {page = FILENAME; sub(".*/", "", page)} \
	/^\.S[hH] / {in_name = $$2 == "NAME"} \
	in_name && !/^\.Nd/ { \
		sub(/\\-.*/, ""); \
		for (i = 1; i <= NF; i++) { \
			sub(/,$$/, "", $$i); \
			if ($$i ~ /^getme_[a-z0-9_]+$$/) \
				print $$i ".3", page \
		} \
	}'

$(B)/man/done: $(MAN:%=man/%) Makefile
	@rm -rf $(@D) && mkdir -p $(@D)
	$(Q)for page in $(MAN); do cp man/$$page $(@D)/ || exit 1; done
	$(Q)$(man_names) $(filter %.3,$^) </dev/null | \
	while read -r name page; do \
		[ -e $(@D)/$$name ] || echo ".so man3/$$page" >$(@D)/$$name; \
	done
	@touch $@

# -- Daily use -------------------------------------------------------------

.PHONY: deps coverage-deps bench-deps run quick microbench bench clean dist
deps:
	@tests/deps

coverage-deps:
	@tests/deps gcovr

bench-deps:
	@tests/deps redis-server memcached liblmdb-dev librocksdb-dev \
		libleveldb-dev gnuplot-nox

JOBS ?= $(shell nproc)
PARALLEL = $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# On a terminal getmed gets a process group of its own, so that Ctrl-C reaches
# it and not make, which would call that an error.
RUN_SERVER = $(B)/getmed --store run/store --socket run/getme.sock
run: deps
	@$(MAKE) $(PARALLEL) all
	@mkdir -p run
	@echo
	@echo 'getmed serves run/getme.sock; Ctrl-C stops it. From elsewhere:'
	@echo '  $(B)/getmectl -s run/getme.sock put hello world'
	@echo '  $(B)/getmectl -s run/getme.sock get hello'
	@if [ -t 0 ]; then \
		bash -mc 'setpriv --pdeathsig TERM $(RUN_SERVER); exit $$?'; \
	else \
		exec $(RUN_SERVER); \
	fi

microbench: $(addprefix $(B)/tests/bench/,$(filter bench_%,$(BENCH))) all
	@for program in $(addprefix $(B)/tests/bench/,$(filter bench_%,$(BENCH))); do \
		echo "== $${program##*/}"; \
		$$program || exit 1; \
	done

# Side by side with other stores, into $(B)/bench; FULL=1 takes an hour or so.
# tests/bench/bench tells what else can be set.
BENCH_ALONE = $(addprefix $(B)/tests/bench/,first_reply generator limit \
	peer_client peer_memory peer_store)
bench: bench-deps
	@$(MAKE) $(PARALLEL) $(PROGRAMS) $(BENCH_ALONE) \
		$(BENCH_PEERS:%=$(B)/tests/bench/%)
	@FULL='$(FULL)' tests/bench/bench $(B)

clean:
	rm -rf $(B)

dist:
	@mkdir -p $(B)
	git archive --prefix=getme-$(VERSION)/ \
		-o $(B)/getme-$(VERSION).tar.gz HEAD

# -- Tests -----------------------------------------------------------------

# Each suite is a target, check-SUITE, by itself; `make check-unit
# TESTS=test_entry` runs one program.
SUITES = unit crash asan tsan fuzz model tree e2e
TEST_TIMEOUT ?= 1800
E2E_JOBS ?= $(JOBS)
FUZZ_SECONDS ?= 10
FUZZ_CC ?= clang

CRASH_TESTS = $(addprefix crash/,$(filter test_%,$(CRASH)))
export ASAN_OPTIONS ?= allocator_may_return_null=1:strict_string_checks=1
export UBSAN_OPTIONS ?= print_stacktrace=1
export TSAN_OPTIONS ?= halt_on_error=1:second_deadlock_stack=1

# Sanitizers and a kernel that randomises much do not go together.
fixed_addresses = $(if $(SAN),$(shell setarch -R true 2>/dev/null && \
	echo setarch -R))
RUN = GETME_BUILD='$(abspath $(B))' CC='$(CC)' MAKE='$(MAKE)' \
	$(fixed_addresses) tests/run -j $(JOBS) -t $(TEST_TIMEOUT) \
	$(if $(RESULTS),-r $(RESULTS))

.PHONY: check suite $(SUITES:%=check-%)
check: deps
	@mkdir -p $(B) && rm -f $(B)/results
	@for suite in $(SUITES); do \
		$(MAKE) $(PARALLEL) RESULTS=$(B)/results check-$$suite || :; \
	done
	@tests/run -T $(B)/results $(SUITES)

quick: check-unit

suite: $(addprefix $(B)/tests/,$(WITH))
	@$(RUN) -s $(SUITE) $^

check-unit:
	@$(MAKE) suite SUITE=unit WITH='$(TESTS)'

check-crash:
	@$(MAKE) suite SUITE=crash WITH='$(CRASH_TESTS)'

check-asan:
	@GETME_CRASH_SAMPLE=1 $(MAKE) SAN=address,undefined B=$(B)/asan \
		suite SUITE=asan WITH='$(TESTS) $(CRASH_TESTS)'

check-tsan:
	@$(MAKE) SAN=thread B=$(B)/tsan suite SUITE=tsan WITH='$(TSAN_TESTS)'

check-fuzz:
	@$(MAKE) SAN=address,undefined FUZZING=1 CC='$(FUZZ_CC)' B=$(B)/fuzz \
		fuzz-suite

.PHONY: fuzz-suite
fuzz-suite: $(addprefix $(B)/tests/fuzz/,$(FUZZ))
	@mkdir -p $(FUZZ:%=$(B)/corpus/%)
	@$(RUN) -s fuzz -x $(foreach name,$(FUZZ),'$(B)/tests/fuzz/$(name) \
		-max_total_time=$(FUZZ_SECONDS) -timeout=10 \
		-artifact_prefix=$(B)/$(name)- $(B)/corpus/$(name) \
		$(wildcard tests/fuzz/seeds/$(name))')

# Of the protocol between the index's writer and its readers, with spin.
check-model:
	@$(RUN) -s model tests/model/run

check-tree: all $(LAYERS)
	@LISTED='$(SOURCES)' $(RUN) -s tree tests/check-lists \
		'tests/check-layers $(B)' tests/check-headers \
		'tests/check-symbols $(B)' 'tests/check-install $(B)'

e2e_programs = $(addprefix tests/e2e/,$(filter test_%.sh,$(1))) \
	$(addprefix $(B)/tests/e2e/,$(filter-out %.sh,$(filter test_%,$(1))))
check-e2e: all $(E2E_C:%=$(B)/tests/e2e/%) $(B)/tests/torture/soak \
		$(BENCH_ALONE)
	@$(RUN) -s e2e -j $(E2E_JOBS) $(call e2e_programs,$(E2E)) \
		$(if $(E2E_ALONE),-- $(call e2e_programs,$(E2E_ALONE)))

# Takes safety steps out of the engine, one at a time; `make mutants
# MUTANTS='NAME...'` some of those in tests/mutants/*.list.
.PHONY: mutants
mutants:
	@mkdir -p $(B)
	@CC='$(CC)' MAKE='$(MAKE)' tests/mutants/run -j $(JOBS) -b $(B) \
		$(MUTANTS)

# Goes on for SECONDS, with another seed each round (tests/torture/run); PARTS
# names some of its parts.
.PHONY: torture fuzz-programs
torture: all tests
	@$(MAKE) SAN=address,undefined FUZZING=1 CC='$(FUZZ_CC)' B=$(B)/fuzz \
		fuzz-programs
	@tests/torture/run -t $(or $(SECONDS),600) $(if $(SEED),-s $(SEED)) \
		-j $(JOBS) -b $(B) $(PARTS)

fuzz-programs: $(addprefix $(B)/tests/fuzz/,$(FUZZ))

coverage: coverage-deps
	@find $(B)/coverage -name '*.gcda' -delete 2>/dev/null || :
	@GETME_CRASH_SAMPLE=1 $(MAKE) $(PARALLEL) B=$(B)/coverage \
		CFLAGS='-O0 -g --coverage' suite SUITE=coverage \
		WITH='$(TESTS) $(CRASH_TESTS)'
	@gcovr --root . --object-directory $(B)/coverage/obj \
		--filter '(client|common|daemon|proto)/' $(B)/coverage/obj

# -- Lint: zero findings ---------------------------------------------------

LINTS = format tidy cppcheck man units shell
LINT_TOOLS = clang-format clang-tidy cppcheck mandoc systemd-analyze shellcheck
C_FILES = $(C_SOURCES) $(PEER_SOURCES) $(wildcard $(addsuffix /*.h,client common daemon \
	proto tests tests/*))

.PHONY: lint tidy $(LINTS:%=lint-%)
lint:
	@for tool in $(LINT_TOOLS); do \
		command -v $$tool >/dev/null || { \
			echo "$$tool is missing: make deps installs it"; \
			exit 1; \
		}; \
	done
	@failed=; \
	for lint in $(LINTS); do \
		echo "== lint: $$lint"; \
		$(MAKE) $(PARALLEL) lint-$$lint || failed="$$failed $$lint"; \
	done; \
	[ -z "$$failed" ] || { echo "lint: findings in$$failed"; exit 1; }; \
	echo 'lint: no findings'

lint-format:
	@clang-format --dry-run -Werror $(C_FILES)

# gcc's warnings, then clang's with clang-tidy's.
lint-tidy:
	@$(MAKE) -k CC=gcc B=$(B)/lint CFLAGS='-O2 -g -Werror' tidy

tidy: $(C_SOURCES:%.c=$(B)/tidy/%)

$(B)/tidy/%: %.c $(B)/obj/%.o .clang-tidy
	$(call say,TIDY,$<)
	@mkdir -p $(@D)
	$(Q)clang-tidy --quiet $< -- $(wordlist 2,99,$(COMPILE)) -Iclient \
		>$@.out 2>&1 || { cat $@.out; exit 1; }
	@touch $@

lint-cppcheck:
	@mkdir -p $(B)/cppcheck
	@cppcheck --quiet --enable=warning,performance,portability \
		--error-exitcode=1 --inline-suppr --std=c11 -I. -D_GNU_SOURCE \
		-DGETME_VERSION='"$(VERSION)"' --suppress=missingIncludeSystem \
		--cppcheck-build-dir=$(B)/cppcheck -j $(JOBS) \
		$(filter-out tests/%,$(C_SOURCES))

# A page that refers to pages of packages that are not here is in order.
lint-man:
	@! mandoc -T lint -W style $(MAN:%=man/%) </dev/null | \
		grep -v 'referenced manual not found'

lint-units: $(B)/getmed
	@tests/lint-units $(B) $(SYSTEMD:%=systemd/%)

lint-shell:
	@shellcheck -x $(shell find .ci tests -type f -exec \
		awk 'FNR == 1 {if (/^\#!.*sh$$/) print FILENAME; nextfile}' {} +)

# -- Installation: only copies ---------------------------------------------

.PHONY: install uninstall
INSTALL = install

# One line a file: its mode, where it is, where it goes; "link" is no mode but
# a symbolic link's text.
$(B)/files: $(B)/man/done $(B)/systemd/done $(B)/folders
	@{ echo '755 $(B)/getmed $(BINDIR)/getmed'; \
	echo '755 $(B)/getmectl $(BINDIR)/getmectl'; \
	echo '644 client/getme.h $(INCLUDEDIR)/getme.h'; \
	echo '755 $(SHARED) $(LIBDIR)/$(notdir $(SHARED))'; \
	echo 'link $(notdir $(SHARED)) $(LIBDIR)/$(SONAME)'; \
	echo 'link $(SONAME) $(LIBDIR)/libgetme-client.so'; \
	echo '644 $(B)/libgetme-client.a $(LIBDIR)/libgetme-client.a'; \
	echo '644 $(B)/getme-client.pc $(LIBDIR)/pkgconfig/getme-client.pc'; \
	for page in $(B)/man/*.[1-9]; do \
		echo "644 $$page" \
			"$(MANDIR)/man$${page##*.}/$${page##*/}"; \
	done; \
	for f in $(SYSTEMD); do \
		case $$f in \
		user/*) folder=$(USERUNITDIR) ;; \
		sysusers.d/*) folder=$(SYSUSERSDIR) ;; \
		tmpfiles.d/*) folder=$(TMPFILESDIR) ;; \
		*) folder=$(UNITDIR) ;; \
		esac; \
		echo "644 $(B)/systemd/$$f $$folder/$${f##*/}"; \
	done; } >$@

install: all $(B)/files
	@while read -r mode from to; do \
		echo "  INSTALL $(DESTDIR)$$to"; \
		if [ "$$mode" = link ]; then \
			ln -sfn "$$from" "$(DESTDIR)$$to"; \
		else \
			$(INSTALL) -D -m "$$mode" "$$from" "$(DESTDIR)$$to"; \
		fi || exit 1; \
	done <$(B)/files
	@[ -n "$(DESTDIR)" ] || ldconfig 2>/dev/null || :

uninstall: $(B)/files
	@while read -r _ _ to; do \
		echo "  REMOVE  $(DESTDIR)$$to"; \
		rm -f "$(DESTDIR)$$to" || exit 1; \
	done <$(B)/files
