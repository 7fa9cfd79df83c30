# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The servers: Kafka, and a MongoDB-wire server. With a Docker engine they are containers (compose/compose.yaml);
# without one they are processes of this machine: Kafka, PostgreSQL with DocumentDB, and FerretDB before it.
# Either way the same addresses. Each has start, stop, kill (as a crash) and a readiness probe that asks the server.

server_names() {
    if [ "$MILLRACE_SERVERS" = docker ]; then echo kafka mongo; else echo kafka postgres ferretdb; fi
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
# A killed broker may register again only when its old session is over (9 s by default).
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
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

# Never grep -q behind a pipe: it goes at the first hit, and with pipefail the writer's SIGPIPE would count.
ready_kafka() { timeout 10 kcat -b "127.0.0.1:$KAFKA_PORT" -L -m 5 2>&1 | grep '^ 1 brokers' >/dev/null; }

# --- PostgreSQL ----------------------------------------------------------------------------------------------------

in_rootfs() { as_root bash "$ROOT/compose/rootfs.sh" exec "$POSTGRES_DIR" "$VAR/postgres" postgres "$@"; }

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
cron.log_run = off
cron.log_statement = off
log_checkpoints = off
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
    mkdir -p "$VAR/postgres"
    if ! as_root test -e "$VAR/postgres/data/PG_VERSION"; then
        as_root rm -rf "$VAR/postgres/new" "$VAR/postgres/data" "$VAR/postgres/documentdb"
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
    launch -r postgres bash "$ROOT/compose/rootfs.sh" exec "$POSTGRES_DIR" "$VAR/postgres" postgres \
        postgres -D /data/data -c config_file=/data/data/millrace.conf
    if ! as_root test -e "$VAR/postgres/documentdb"; then
        wait_ready postgres 60 ready_postgres
        query_postgres 'create extension if not exists documentdb cascade' >"$LOG_DIR/postgres-extension.log" 2>&1 ||
            step_failed "create extension documentdb" "$LOG_DIR/postgres-extension.log"
        as_root touch "$VAR/postgres/documentdb"
    fi
}

query_postgres() { in_rootfs psql -h 127.0.0.1 -p "$POSTGRES_PORT" -d postgres -qAtc "$1" </dev/null; }
ready_postgres() { [ "$(query_postgres 'select 1')" = 1 ]; }

# --- FerretDB ------------------------------------------------------------------------------------------------------

ferretdb() {
    local name=$1
    shift
    mkdir -p "$VAR/ferretdb"
    "$name" "$FERRETDB_DIR/ferretdb" "$@" \
        --postgresql-url="postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres?pool_max_conns=50" \
        --listen-addr="127.0.0.1:$MONGO_PORT" --state-dir="$VAR/ferretdb" --telemetry=disable --no-auth \
        --debug-addr=- --log-level=error
}

launch_ferretdb() { launch ferretdb "$@"; }
start_ferretdb() { ferretdb launch_ferretdb; }
ready_ferretdb() { ferretdb run_plainly ping; }

# --- by name -------------------------------------------------------------------------------------------------------

compose_files() {
    MILLRACE_COMPOSE_PROJECT=millrace-$((PORT_OFFSET)) MILLRACE_KAFKA_PORT=$KAFKA_PORT \
        MILLRACE_KAFKA_CONTROLLER_PORT=$KAFKA_CONTROLLER_PORT MILLRACE_MONGO_PORT=$MONGO_PORT \
        docker compose -f "$ROOT/compose/compose.yaml" "$@"
}

ready_container() { [ "$(compose_files ps --format '{{.Health}}' "$1" 2>/dev/null)" = healthy ]; }

server_alive() {
    if [ "$MILLRACE_SERVERS" = docker ]; then
        [ -n "$(compose_files ps -q --status running "$1" 2>/dev/null)" ]
    else
        alive "$1"
    fi
}

server_ready() {
    if [ "$MILLRACE_SERVERS" = docker ]; then ready_container "$1"; else "ready_$1"; fi
}

server_start() {
    mkdir -p "$RUN_DIR" "$LOG_DIR"
    ! server_alive "$1" || return 0
    port_free "$1" "$(server_port "$1")"
    if [ "$MILLRACE_SERVERS" = docker ]; then
        compose_files up -d "$1" >>"$LOG_DIR/$1.log" 2>&1 || step_failed "start the $1 container" "$LOG_DIR/$1.log"
    else
        "start_$1"
    fi
}

server_wait() {
    if [ "$MILLRACE_SERVERS" = docker ]; then
        until_true 180 "the $1 container" ready_container "$1" || die "see: docker compose logs $1"
    else
        wait_ready "$1" 90 "ready_$1"
    fi
}

server_stop() {
    if [ "$MILLRACE_SERVERS" = docker ]; then
        compose_files stop "$1"
        return
    fi
    # PostgreSQL: INT is its fast shutdown (TERM would wait for clients).
    case $1 in
    postgres) stop_process postgres INT 30; end_postgres_leftovers ;;
    *) stop_process "$1" TERM 20 ;;
    esac
}

server_kill() {
    if [ "$MILLRACE_SERVERS" = docker ]; then compose_files kill -s KILL "$1"; else kill_process "$1"; fi
    # A process of many threads holds its port for a moment after its pid counts as dead; the next start would find it taken.
    until_true 10 "the port of $1 to be free" port_closed "$(server_port "$1")" || true
}

# FerretDB needs PostgreSQL; Kafka boots meanwhile.
servers_up() {
    local name began=$SECONDS
    for name in $(server_names); do
        server_alive "$name" || port_free "$name" "$(server_port "$name")"
    done
    for name in $(server_names); do
        server_start "$name"
        [ "$name" = kafka ] || server_wait "$name"
    done
    server_wait kafka
    say " ok servers: $(server_names) ($((SECONDS - began)) s)"
}

# One that can't be stopped does not keep the others up.
servers_down() {
    local name names rc=0
    names=$(server_names)
    for name in $(tac -s ' ' <<<"$names "); do
        (server_stop "$name") || rc=1
    done
    return $rc
}

# ./run server start|stop|kill NAME
server_command() {
    case " $(server_names) " in
    *" ${2:-} "*) ;;
    *) die "usage: ./run server start|stop|kill NAME, where NAME is one of: $(server_names)" ;;
    esac
    case $1 in
    start) server_start "$2"; server_wait "$2" ;;
    stop) server_stop "$2" ;;
    kill) server_kill "$2" ;;
    *) die "usage: ./run server start|stop|kill NAME" ;;
    esac
}
