# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The servers: Kafka, and a MongoDB-wire server. With a Docker engine they are containers (compose/compose.yaml);
# without one they are processes of this machine: Kafka, PostgreSQL with DocumentDB, and FerretDB before it.
# Either way the same addresses. Each has start, stop, kill (as a crash) and a readiness probe that asks the server.

server_names() {
    if [ "$(servers_kind)" = docker ]; then echo kafka mongo; else echo kafka postgres ferretdb; fi
}

server_port() {
    case $1 in
    kafka) echo "$KAFKA_PORT" ;;
    postgres) echo "$POSTGRES_PORT" ;;
    ferretdb | mongo) echo "$MONGO_PORT" ;;
    *) return 1 ;;
    esac
}

# --- Kafka ---------------------------------------------------------------------------------------------------------

kafka_java() {
    local name=$1
    shift
    "$name" java -Xms128m -Xmx512m -Djava.awt.headless=true -XX:+ExitOnOutOfMemoryError \
        -Dlog4j2.configurationFile="$ROOT/compose/native/log4j2.properties" -cp "$KAFKA_DIR/libs/*" "$@"
}

kafka_settings() {
    cat <<END
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$KAFKA_CONTROLLER_PORT
listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT,CONTROLLER://127.0.0.1:$KAFKA_CONTROLLER_PORT
advertised.listeners=PLAINTEXT://127.0.0.1:$KAFKA_PORT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs=$VAR/kafka/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
# The largest topic setting (jobs.dead, 11 MiB) and the frame around it must fit.
message.max.bytes=12582912
replica.fetch.max.bytes=12582912
END
}

run_plainly() { "$@"; }
launch_kafka() { launch kafka "$@"; }

start_kafka() {
    mkdir -p "$VAR/kafka/data"
    kafka_settings >"$VAR/kafka/server.properties"
    if [ ! -e "$VAR/kafka/data/meta.properties" ]; then
        kafka_java run_plainly kafka.tools.StorageTool format --ignore-formatted \
            -t "$(head -c 16 /dev/urandom | base64 | tr '+/' 'Az' | cut -c1-22)" \
            -c "$VAR/kafka/server.properties" >"$LOG_DIR/kafka-format.log" 2>&1 ||
            step_failed "format Kafka's data folder" "$LOG_DIR/kafka-format.log"
    fi
    kafka_java launch_kafka kafka.Kafka "$VAR/kafka/server.properties"
}

ready_kafka() { timeout 10 kcat -b "127.0.0.1:$KAFKA_PORT" -L -m 5 2>&1 | grep -q '^ 1 brokers'; }

# --- PostgreSQL ----------------------------------------------------------------------------------------------------

in_rootfs() { as_root unshare -m bash "$ROOT/compose/rootfs.sh" exec "$POSTGRES_DIR" "$VAR/postgres" postgres "$@"; }

postgres_settings() {
    cat <<END
listen_addresses = '127.0.0.1'
port = $POSTGRES_PORT
unix_socket_directories = ''
max_connections = 100
shared_buffers = 256MB
max_wal_size = 1GB
shared_preload_libraries = 'pg_cron, pg_documentdb_core, pg_documentdb'
cron.database_name = 'postgres'
cron.host = '127.0.0.1'
log_min_messages = warning
# Safe against the death of the process either way: a commit has handed its log to the kernel before it is answered.
# "off" (tests) gives up only the safety against the machine's own crash. synchronous_commit stays on: without it
# kill -9 would lose commits that were answered.
fsync = ${MILLRACE_FSYNC:-on}
synchronous_commit = on
END
}

# A killed postmaster leaves children behind that hold its shared memory; a new one refuses to start until they are
# gone. They are known by their working folder, which is the data folder (compared by device and inode, because they
# see it under another path).
postgres_leftovers() {
    # shellcheck disable=SC2016
    as_root bash -c 'for p in /proc/[0-9]*; do [ "$p/cwd" -ef "$1" ] && echo "${p#/proc/}"; done; true' \
        leftovers "$VAR/postgres/data" 2>/dev/null
}

end_postgres_leftovers() {
    local pids
    pids=$(postgres_leftovers)
    [ -n "$pids" ] || return 0
    # They notice the death of their parent by themselves, most at once; one in the middle of a statement does not.
    # shellcheck disable=SC2086
    as_root kill -KILL $pids 2>/dev/null || true
    until_true 10 "PostgreSQL's leftover processes to end" no_postgres_leftovers || die "could not end them: $pids"
}

no_postgres_leftovers() { [ -z "$(postgres_leftovers)" ]; }

start_postgres() {
    local new=
    mkdir -p "$VAR/postgres"
    if ! as_root test -e "$VAR/postgres/data/PG_VERSION"; then
        new=yes
        as_root rm -rf "$VAR/postgres/new" "$VAR/postgres/data"
        as_root chown "$(stat -c %u:%g "$POSTGRES_DIR/var/lib/postgresql")" "$VAR/postgres"
        in_rootfs initdb -D /data/new --locale=C.UTF-8 --encoding=UTF8 --auth=trust --no-sync \
            >"$LOG_DIR/postgres-initdb.log" 2>&1 || step_failed "initdb" "$LOG_DIR/postgres-initdb.log"
        as_root mv "$VAR/postgres/new" "$VAR/postgres/data"
    fi
    end_postgres_leftovers
    # Our own processes are gone, so a lock file that is still there is that of a killed one. (Its pid may belong to
    # an unrelated program by now, and PostgreSQL would believe it.)
    as_root rm -f "$VAR/postgres/data/postmaster.pid"
    postgres_settings | as_root tee "$VAR/postgres/data/millrace.conf" >/dev/null
    launch postgres $(root_words) unshare -m bash "$ROOT/compose/rootfs.sh" exec "$POSTGRES_DIR" "$VAR/postgres" \
        postgres postgres -D /data/data -c config_file=/data/data/millrace.conf
    [ -z "$new" ] || make_documentdb
}
