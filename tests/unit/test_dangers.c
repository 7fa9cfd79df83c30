/* SPDX-License-Identifier: Apache-2.0 */
/* LIBS: convert */
/* dangers and verbs: what is found and where, what is not; time linear in the code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "converter/dangers.h"
#include "converter/verbs.h"
#include "tests/unit/arena_world.h"
#include "tests/unit/nasty.h"

/* wanted: "rule line:column" for each finding, in order, with blanks between; "": none. */
struct danger_case {
    const char *code, *wanted;
};

static void check(const char *code, const struct findings *f, const char *wanted)
{
    struct buf got;

    buf_init(&got);
    buf_reserve(&got, 1);
    for (size_t i = 0; i < f->count; i++) {
        const struct finding *item = &f->items[i];
        buf_printf(&got, "%s%.*s %lld:%lld", i > 0 ? " " : "", BYTES_ARG(item->rule), (long long)item->line,
            (long long)item->column);
        assert_true(item->offset + item->length <= strlen(code));
        assert_true(item->message.len > 0);
    }
    if (!bytes_equal_text(buf_bytes(&got), wanted) && !(got.len == 0 && wanted[0] == '\0'))
        fail_msg("'%s': got '%.*s', expected '%s'", code, (int)got.len, got.data, wanted);
    buf_release(&got);
}

static void check_all(const struct danger_case *cases, size_t count, enum language l,
    const char *const *names, size_t name_count)
{
    struct bytes items[8];
    struct strings list = {items, name_count};

    for (size_t i = 0; i < name_count; i++)
        items[i] = bytes_of(names[i]);
    for (size_t i = 0; i < count; i++) {
        struct findings f = {.count = 0};
        arena_reset(&arena);
        dangers_check(bytes_of(cases[i].code), l, &list, &arena, &f);
        check(cases[i].code, &f, cases[i].wanted);
    }
}

#define CHECK(cases, language, ...)                                                                          \
    do {                                                                                                     \
        static const char *const names[] = {__VA_ARGS__};                                                    \
        check_all(                                                                                           \
            cases, sizeof(cases) / sizeof((cases)[0]), language, names, sizeof(names) / sizeof(names[0]));   \
    } while (0)

/* ---- shell ---- */

static const struct danger_case rm_cases[] = {
    {"echo for", ""},
    {"echo rm -rf /", ""},
    {"rm x", "shell.rm 1:1"},
    {"/bin/rm -rf /", "shell.rm 1:1"},
    {"  ../../bin/rm x", "shell.rm 1:3"},
    {"ls\n  rm x", "shell.rm 2:3"},
    {"echo 'ä' ; rm x", "shell.rm 1:12"},
    {"'rm' x", "shell.rm 1:1"},
    {"\"rm\" x", "shell.rm 1:1"},
    {"r\\m x", "shell.rm 1:1"},
    {"r''m x", "shell.rm 1:1"},
    {"$'rm' x", "shell.rm 1:1"},
    {"r\\\nm x", "shell.rm 1:1"},
    {"$BIN/rm x", "shell.rm 1:1"},
    {"${BIN:-/bin}/rm x", "shell.rm 1:1"},
    {"$RM x", ""},
    {"rm$X y", ""},
    {"rmdir x; rmx; xrm; rm.sh", ""},
    {"# rm x", ""},
    {"ls # rm x", ""},
    {"ls#; rm x", "shell.rm 1:6"},
    {"ls; rm x", "shell.rm 1:5"},
    {"ls && rm x || rm y", "shell.rm 1:7 shell.rm 1:15"},
    {"ls | rm x", "shell.rm 1:6"},
    {"ls & rm x", "shell.rm 1:6"},
    {"(rm x)", "shell.rm 1:2"},
    {"{ rm x; }", "shell.rm 1:3"},
    {"! rm x", "shell.rm 1:3"},
    {"time rm x", "shell.rm 1:6"},
    {"echo $(rm x)", "shell.rm 1:8"},
    {"echo \"a $(rm x) b\"", "shell.rm 1:11"},
    {"echo `rm x`", "shell.rm 1:7"},
    {"echo \"`rm x`\"", "shell.rm 1:8"},
    {"echo '$(rm x)'", ""},
    {"echo \\$(rm x)", "shell.rm 1:9"},
    {"diff <(rm x) y", "shell.rm 1:8"},
    {"echo $(echo $(echo $(rm x)))", "shell.rm 1:22"},
    {"echo ${X:-$(rm x)}", "shell.rm 1:13"},
    {"echo $((1 + $(rm x)))", "shell.rm 1:15"},
    {"echo $((rm - 1))", ""},
    {"((rm = 1 << 2)); ls", ""},
    {"A=1 B=2 rm x", "shell.rm 1:9"},
    {"A=rm ls", ""},
    {"A=(rm x) ls", ""},
    {"> out rm x", "shell.rm 1:7"},
    {"ls > rm", ""},
    {"ls 2>&1 >rm", ""},
    {"2>/dev/null rm x", "shell.rm 1:13"},
    {"cat < rm", ""},
    {"if rm x; then rm y; else rm z; fi", "shell.rm 1:4 shell.rm 1:15 shell.rm 1:26"},
    {"for rm in rm a; do rm $rm; done", "shell.rm 1:20"},
    {"for ((i = 0; i < 3; i++)); do rm $i; done", "shell.rm 1:31"},
    {"while read rm; do echo rm; done < rm", ""},
    {"until rm x; do :; done", "shell.rm 1:7"},
    {"case rm in rm) ls;; *) rm x;; esac; rm y", "shell.rm 1:24 shell.rm 1:37"},
    {"case $x in\n  (rm | ls) echo rm ;;\nesac", ""},
    {"echo $(case x in rm) ls;; esac)", ""},
    {"[[ rm == rm && ( a < rm ) ]] && rm x", "shell.rm 1:33"},
    {"[ rm = rm ] || ls", ""},
    {"rm() { ls; }", ""},
    {"function rm { rm x; }", "shell.rm 1:15"},
    {"cat <<EOF\nrm x\n$(rm y)\nEOF\nrm z", "shell.rm 3:3 shell.rm 5:1"},
    {"cat <<'EOF'\n$(rm y)\nEOF\nrm z", "shell.rm 4:1"},
    {"cat <<-EOF; rm a\n\trm x\n\tEOF\nrm z", "shell.rm 1:13 shell.rm 4:1"},
    {"cat <<A <<B\nrm x\nA\nrm y\nB\nrm z", "shell.rm 6:1"},
    {"cat <<< rm; ls", ""},
    {"cat << EOF\nrm x", ""},
    /* what runs other commands */
    {"env rm x", "shell.rm 1:5"},
    {"env -i A=1 -u B rm x", "shell.rm 1:17"},
    {"/usr/bin/env -- rm x", "shell.rm 1:17"},
    {"sudo -u root rm x", "shell.rm 1:14"},
    {"sudo -l rm", ""},
    {"find . | xargs rm", "shell.rm 1:16"},
    {"find . | xargs -0 -n 1 -I{} rm {}", "shell.rm 1:29"},
    {"nohup nice -n 10 timeout -s KILL 5 rm x", "shell.rm 1:36"},
    {"command rm x", "shell.rm 1:9"},
    {"command -v rm", ""},
    {"which rm; type rm; man rm", ""},
    {"exec rm x", "shell.rm 1:6"},
    {"busybox rm x", "shell.rm 1:9"},
    {"find . -name rm -exec rm {} \\; -print", "shell.rm 1:23"},
    {"find . -exec ls {} + -execdir env rm {} +", "shell.rm 1:35"},
    {"find . -name '*.tmp' -delete", "shell.rm 1:1"},
    {"find . -name delete", ""},
    {"sh -c 'ls; rm x'", "shell.rm 1:7"},
    {"bash -ec \"rm $X\"", "shell.rm 1:10"},
    {"sh -c 'sh -c \"rm x\"'", "shell.rm 1:7"},
    {"sh rm", ""},
    {"eval \"rm x\"", "shell.rm 1:6"},
    {"eval rm x", "shell.rm 1:6"},
    {"trap 'rm x' EXIT", "shell.rm 1:6"},
    {"su - bob -c 'rm x'", "shell.rm 1:13"},
    {"watch -n 1 rm x", "shell.rm 1:12"},
    {"env -S 'rm x'; env -iS 'rm y'", "shell.rm 1:8 shell.rm 1:24"},
    {"env ls -S rm", ""},
    {"flock /l -c 'rm x'", "shell.rm 1:13"},
    {"flock /l grep -c rm x", ""},
    {"sudo --user bob rm x; sudo --user=bob rm y", "shell.rm 1:17 shell.rm 1:39"},
    {"timeout --signal KILL 5 rm x", "shell.rm 1:25"},
    {"env --unset A --ignore-environment rm x", "shell.rm 1:36"},
    {"nice --adjustment 5 xargs --max-args 1 rm", "shell.rm 1:40"},
    {"sudo -k rm x", "shell.rm 1:9"},
    {"strace -f -o log rm x; taskset -c 1 rm y; chrt 5 rm z", "shell.rm 1:18 shell.rm 1:37 shell.rm 1:50"},
    {"unshare -r rm x; runuser -u bob -- rm y; pkexec rm z", "shell.rm 1:12 shell.rm 1:36 shell.rm 1:49"},
    {"time { rm x; }; time -p ! rm y", "shell.rm 1:8 shell.rm 1:27"},
    {"10>x rm y; {fd}>x rm z", "shell.rm 1:6 shell.rm 1:19"},
    {"echo 10>x rm", ""},
    {"echo ${x%'}'}; rm y", "shell.rm 1:16"},
    {"echo \"${x:-it's}\"; rm y; echo 'z'", "shell.rm 1:20"},
    /* a shell that reads its code from a here-document */
    {"bash <<EOF\nls\n  rm x\nEOF\nrm y", "shell.rm 3:3 shell.rm 5:1"},
    {"sudo -u bob sh -s a <<'EOF' > log\nrm x\nEOF", "shell.rm 2:1"},
    {"su - bob <<-EOF\n\trm x\n\tEOF", "shell.rm 2:2"},
    {"sh script <<EOF\nrm x\nEOF", ""},
    {"sh -c 'ls' <<EOF\nrm x\nEOF", ""},
    {"cat <<A; sh <<B\nrm x\nA\nrm y\nB", "shell.rm 4:1"},
    {"cat <<A | sh <<B\nrm x\nA\nbash <<C\nrm y\nC\nB", "shell.rm 5:1"},
    {"sh <<< 'rm x'; cat <<< 'rm y'; sh <<<\"rm z\"", "shell.rm 1:8 shell.rm 1:38"},
    {"", ""},
    {"\"", ""},
    {"$(", ""},
    {"`rm x", "shell.rm 1:2"},
};

static const struct danger_case root_cases[] = {
    {"/bin/rm -rf /", "shell.rm_root 1:1"},
    {"rm -r -f /", "shell.rm_root 1:1"},
    {"rm --recursive /etc", "shell.rm_root 1:1"},
    {"rm -fR /usr/", "shell.rm_root 1:1"},
    {"rm -rf ~", "shell.rm_root 1:1"},
    {"rm -rf $HOME", "shell.rm_root 1:1"},
    {"rm -rf \"${HOME}\"/", "shell.rm_root 1:1"},
    {"rm -rf *", "shell.rm_root 1:1"},
    {"rm -rf /*", "shell.rm_root 1:1"},
    {"rm -rf ./x .", "shell.rm_root 1:1"},
    {"rm -rf /$DIR", "shell.rm_root 1:1"},
    {"rm /", ""},
    {"rm -f /etc/x", ""},
    {"rm -rf /data/x", ""},
    {"rm -rf $DIR", ""},
    {"rm -rf build", ""},
    {"echo / | xargs rm -rf", ""},
};

static const struct danger_case shell_cases[] = {
    {"dd if=a of=/dev/sda", "shell.disk 1:1"},
    {"dd if=/dev/zero of=x", ""},
    {"mkfs.ext4 /dev/sda1; mkfs /dev/sdb", "shell.disk 1:1 shell.disk 1:22"},
    {"kill -9 1", "shell.kill 1:1"},
    {"echo shutdown; shutdown now", "shell.power 1:16"},
    {"chmod -R 777 /x; chmod 644 y", "shell.rights 1:1"},
    {"sudo ls", "shell.root 1:1"},
    {"sudo kill 1", "shell.root 1:1 shell.kill 1:6"},
    {"crontab -r", "shell.service 1:1"},
    {"hdfs dfs -rm -r /x; hdfs dfs -ls /", "shell.hdfs 1:1"},
    {"hadoop fs -rmr /x", "shell.hdfs 1:1"},
    {"yarn application -kill x; yarn top", "shell.yarn 1:1"},
    {"spark-submit x.py; python3 y.py", "shell.engine 1:1 shell.engine 1:20"},
    {"sh -c 'kill 1'", "shell.shell 1:1 shell.kill 1:7"},
    {". ./env.sh", "shell.shell 1:1"},
    {"source x", "shell.shell 1:1"},
    {"for i in kill python for source hive; do echo $i; done", ""},
    {"mount; umount /x", "shell.mount 1:1 shell.mount 1:8"},
};

static void finds_commands_that_would_run(void **state)
{
    (void)state;
    CHECK(rm_cases, LANGUAGE_SHELL, "shell.rm");
    CHECK(root_cases, LANGUAGE_SHELL, "shell.rm_root");
    CHECK(shell_cases, LANGUAGE_SHELL, "shell");
}

/* ---- Python ---- */

static const struct danger_case import_cases[] = {
    {"x = 1\rimport os", "python.import_os 1:14"}, /* what old Macs end lines with */
    {"# x\rimport os", "python.import_os 1:12"},
    {"# x\r\nimport os\r\n", "python.import_os 2:8"},
    {"import \\\r\n os", "python.import_os 2:2"},
    {"x = 'a\\\r\n; import os'", ""},
    {"import os", "python.import_os 1:8"},
    {"import json, os.path as p", "python.import_os 1:14"},
    {"x = 1\nif x: import os", "python.import_os 2:14"},
    {"from os import path", "python.import_os 1:6"},
    {"from os.path import (\n  join,\n  split as s)", "python.import_os 1:6"},
    {"import \\\n  os", "python.import_os 2:3"},
    {"x = 1; import os", "python.import_os 1:15"},
    {"import osmium, oso.os", ""},
    {"from . import os", ""},
    {"from .os import x", ""},
    {"# import os\n'import os'\n'''\nimport os\n'''", ""},
    {"s = \"\\\"\\nimport os\"", ""},
    {"d = {'a': import_os}\nyield_from = os", ""},
    {"import subprocess as sp", "python.import_subprocess 1:8"},
    {"def f():\n\timport ctypes", "python.import_ctypes 2:9"},
};

static const struct danger_case python_cases[] = {
    {"os.system('ls')", "python.program 1:1"},
    {"import os as o\no.system('ls')", "python.program 2:1"},
    {"from os import system as s\ns('ls')", "python.program 1:16 python.program 2:1"},
    {"from os import *\nsystem('ls')", "python.program 2:1"},
    {"from os import path\npath.join('a')", ""},
    {"f = os.system", "python.program 1:5"},
    {"os . \\\n system('ls')", "python.program 1:1"},
    {"x = (os\n  .popen('ls'))", "python.program 1:6"},
    {"my.os.system('x'); os.systematic('y')", ""},
    {"print('os.system(1)') # os.system(2)", ""},
    {"print(f'{os.system(1)} {{os.system(2)}}')", "python.program 1:10"},
    {"print(rf\"\"\"a {x + f'{os.popen(1)}'}\"\"\")", "python.program 1:22"},
    {"print('{os.system(1)}')", ""},
    {"subprocess.run(['ls'])", "python.program 1:1"},
    {"from subprocess import check_output as c\nc('ls')", "python.program 1:24 python.program 2:1"},
    {"eval('1')", "python.eval 1:1"},
    {"eval ('1'); evaluate('1'); x = eval", "python.eval 1:1"},
    {"model.eval(); df.eval('a + b')", ""},
    {"def eval(x): pass\nclass exec(object): pass", ""},
    {"__import__('os').system('ls')", "python.eval 1:1"},
    {"shutil.rmtree('/x')", "python.delete 1:1"},
    {"open('/etc/passwd')", "python.etc 1:1"},
    {"open(r\"/etc/shadow\")", "python.etc 1:1"},
    {"open(file='/etc/passwd'); open( file = r'/etc/x')", "python.etc 1:1 python.etc 1:27"},
    {"open(files='/etc/x'); open(file)", ""},
    {"open('/data/etc/x'); open(path)", ""},
    {"sc.stop(); spark.sparkContext.stop()", "python.spark_stop 1:1 python.spark_stop 1:12"},
    {"os._exit(1)", "python.exit 1:1"},
    {"getattr(x, 'stop')()", ""},
    {"", ""},
    {"from", ""},
    {"import", ""},
    {"'''", ""},
    {"f'{", ""},
};

static void finds_imports_and_calls_of_python(void **state)
{
    (void)state;
    CHECK(import_cases, LANGUAGE_PYTHON, "python.import_os", "python.import_subprocess",
        "python.import_ctypes");
    CHECK(python_cases, LANGUAGE_PYTHON, "python.program", "python.eval", "python.delete", "python.etc",
        "python.spark_stop", "python.exit");
}

/* ---- Scala and Java ---- */

static const struct danger_case scala_cases[] = {
    {"System.exit(1)", "scala.exit 1:1"},
    {"java.lang.System.exit(1)", "scala.exit 1:1"},
    {"System\n  .exit(1)", "scala.exit 1:1"},
    {"System /* x */ . exit(1)", "scala.exit 1:1"},
    {"MySystem.exit(1); System.exiting; exit(1)", ""},
    {"// System.exit(1)\n/* System.exit /* */ System.exit */ x", ""},
    {"\"System.exit(1)\"; \"\"\"System.exit \"\" (2)\"\"\"; 'x'; '\\''; '\"'; System.exit(1)",
        "scala.exit 1:61"},
    {"s\"a ${System.exit(1)} {System.exit(2)}\"", "scala.exit 1:7"},
    {"\"${System.exit(1)}\"", ""},
    {"val x = 'sym; sc.stop()", "scala.spark_stop 1:15"},
    {"sc.stop", "scala.spark_stop 1:1"},
    {"spark.sparkContext.stop()", "scala.spark_stop 1:1"},
    {"misc.stop(); sc.stopped", ""},
    {"val s = \"\"\"a\"\"\"\"; sc.stop()", "scala.spark_stop 1:19"},
    {"sc.cancelAllJobs", "scala.spark_stop 1:1"},
    {"Runtime.getRuntime().exec(\"ls\")", "scala.program 1:1"},
    {"import scala.sys.process._", "scala.program 1:8"},
    {"import scala.{sys, util}; import java.lang.{System => S, ProcessBuilder}", "scala.program 1:58"},
    {"new ProcessBuilder(\"ls\")", "scala.program 1:5"},
    {"`System`.`exit`(1)", "scala.exit 1:1"},
    {"/* /* */ System.exit(1);", "scala.exit 1:10"},
    {"", ""},
    {"\"", ""},
    {"s\"${", ""},
};

static void finds_calls_of_scala(void **state)
{
    (void)state;
    CHECK(scala_cases, LANGUAGE_SCALA, "scala");
}

/* ---- rules ---- */

static void looks_only_for_the_rules_that_are_named(void **state)
{
    struct bytes unknown[] = {BYTES("shell.nothing"), BYTES("shel"), BYTES("shell.rm_"), BYTES("")};
    struct bytes python = BYTES("python");
    struct strings none = {NULL, 0}, wrong = {unknown, 4}, other = {&python, 1};
    struct findings f = {.count = 0};

    (void)state;
    arena_reset(&arena);
    dangers_check(BYTES("rm -rf /"), LANGUAGE_SHELL, &none, &arena, &f);
    dangers_check(BYTES("rm -rf /"), LANGUAGE_SHELL, &wrong, &arena, &f);
    dangers_check(BYTES("rm -rf /"), LANGUAGE_SHELL, &other, &arena, &f);
    dangers_check(BYTES("eval('1')"), LANGUAGE_OTHER, &other, &arena, &f);
    assert_int_equal(f.count, 0);
    assert_true(danger_name_is_known(BYTES("shell.rm")));
    assert_true(danger_name_is_known(BYTES("scala")));
    for (size_t i = 0; i < 4; i++)
        assert_false(danger_name_is_known(unknown[i]));
}

static void has_rules_that_say_what_to_do(void **state)
{
    size_t rows = 0;

    (void)state;
    for (const struct danger_rule *r = danger_rules; r->name != NULL; r++, rows++) {
        assert_non_null(strchr(r->name, '.'));
        assert_true(strlen(r->what) > 0);
        assert_true(strlen(r->why) > 20);
    }
    assert_true(rows > 80 && rows < 128);
}

static void stops_after_so_many_findings(void **state)
{
    struct bytes name = BYTES("shell.rm");
    struct strings names = {&name, 1};
    struct findings f = {.count = 0};
    struct buf b;

    (void)state;
    arena_reset(&arena);
    buf_init(&b);
    for (int i = 0; i < 100; i++)
        buf_add_text(&b, "rm x\n");
    dangers_check(buf_bytes(&b), LANGUAGE_SHELL, &names, &arena, &f);
    assert_int_equal(f.count, FINDINGS_MAX);
    assert_true(f.more);
    assert_int_equal(f.items[FINDINGS_MAX - 1].line, FINDINGS_MAX);
    assert_true(bytes_starts_with(f.items[0].message, "rm: deletes files for good"));
    buf_release(&b);
}

/* ---- SQL verbs ---- */

static const struct {
    enum sql_dialect dialect;
    const char *phrase, *code, *wanted;
} verb_cases[] = {
    {SQL_ANSI, "drop", "drop table t", "drop 1:1"},
    {SQL_ANSI, "drop", "select 1;\n  DROP view v", "drop 2:3"},
    {SQL_ANSI, "drop table", "drop table t", "drop table 1:1"},
    {SQL_ANSI, "drop table", "drop /* x */ table t", "drop table 1:1"},
    {SQL_ANSI, "drop table", "drop temporary table if exists t", "drop table 1:1"},
    {SQL_ANSI, "drop table", "drop view table", ""},
    {SQL_ANSI, "drop table", "drop view v; create table t (a int)", ""},
    {SQL_ANSI, "create table", "create or replace external table t (a int)", "create table 1:1"},
    {SQL_ANSI, "create database", "create database if not exists d", "create database 1:1"},
    {SQL_ANSI, "create database", "create table database (a int)", ""},
    {SQL_ANSI, "drop", "select 'drop table t', \"drop\", t.drop, x as drop from t -- drop table t", ""},
    {SQL_ANSI, "drop", "alter table t drop column c", ""},
    {SQL_ANSI, "alter table", "alter table t drop column c", "alter table 1:1"},
    {SQL_ANSI, "delete", "create table t (a int references u on delete cascade)", ""},
    {SQL_ANSI, "update", "select * from t for update", ""},
    {SQL_ANSI, "replace", "select replace(a, 'b', 'c') from t where (replace(a, 'b', 'c')) = 'd'", ""},
    {SQL_SQLITE, "replace", "replace into t values (1)", "replace 1:1"},
    {SQL_MYSQL, "truncate", "select truncate(1.2, 1)", ""},
    {SQL_MYSQL, "truncate", "truncate t", "truncate 1:1"},
    {SQL_POSTGRES, "truncate", "truncate table t", "truncate 1:1"},
    {SQL_POSTGRES, "delete", "with d as (delete from t returning *) select * from d", "delete 1:12"},
    {SQL_POSTGRES, "delete", "with a(x) as materialized (select 1), b as (select 2) delete from t",
        "delete 1:55"},
    {SQL_POSTGRES, "insert", "with a as (with b as (select 1) select * from b) insert into t select * from a",
        "insert 1:50"},
    {SQL_POSTGRES, "delete", "explain analyze delete from t", "delete 1:17"},
    {SQL_POSTGRES, "delete", "explain (analyze, verbose) delete from t", "delete 1:28"},
    {SQL_POSTGRES, "delete", "prepare p as delete from t", "delete 1:14"},
    {SQL_POSTGRES, "update", "insert into t values (1) on conflict do update set a = 1", ""},
    {SQL_SQLITE, "delete", "create trigger t insert on a begin select 1; delete from b; end", "delete 1:46"},
    {SQL_SQLITE, "update", "create trigger t after update of c on a begin select 1; end", ""},
    {SQL_MYSQL, "drop table", "create procedure p() begin if a then drop table t; end if; end",
        "drop table 1:38"},
    {SQL_MYSQL, "delete", "create event e on schedule every 1 hour do delete from t", "delete 1:44"},
    {SQL_MYSQL, "delete", "create trigger t before insert on a for each row delete from b", "delete 1:50"},
    {SQL_TSQL, "drop table", "if exists (select 1) drop table t", "drop table 1:22"},
    {SQL_TSQL, "drop table", "select 1\ngo\ndrop table t", "drop table 3:1"},
    {SQL_MYSQL, "drop", "select 1; /* ; */ drop table `t`", "drop 1:19"},
    /* MySQL executes what stands in such a comment, mysqldump writes them */
    {SQL_MYSQL, "drop database", "/*!40000 DROP DATABASE IF EXISTS `d`*/", "drop database 1:10"},
    {SQL_MYSQL, "drop table", "select 1;\n/*!drop*/ table t", "drop table 2:4"},
    {SQL_MYSQL, "drop table", "drop /*!50000 table */ t", "drop table 1:1"},
    {SQL_MYSQL, "drop table", "/*M!100100 drop table t */", "drop table 1:12"},
    {SQL_MYSQL, "delete without where", "delete from t /*!50000 where a = 1 */", ""},
    {SQL_MYSQL, "drop", "/*!50003 create procedure p() begin drop table t; end */", "drop 1:37"},
    {SQL_MYSQL, "drop", "/*!40101 SET NAMES utf8 */; select '/*! drop */' /* drop */", ""},
    {SQL_MYSQL, "drop", "/*! /* drop */ */", ""},
    {SQL_MYSQL, "drop", "/*!50000 drop", "drop 1:10"},
    {SQL_MYSQL, "drop", "/*!/*!/*!drop", ""},
    {SQL_MYSQL, "drop", "/*!*/ drop", "drop 1:7"},
    {SQL_POSTGRES, "drop", "/*!40000 drop table t */ select 1", ""},
    {SQL_ANSI, "grant", "grant select on t to u", "grant 1:1"},
    {SQL_ANSI, "commit", "begin; commit", "commit 1:8"},
    {SQL_ANSI, "delete without where", "delete from t", "delete without where 1:1"},
    {SQL_ANSI, "delete without where", "delete from t where a = 1", ""},
    {SQL_ANSI, "delete without where", "delete from t; select 1 where 1 = 1", "delete without where 1:1"},
    {SQL_ANSI, "delete without where", "delete from t where a in (select 1); delete from u",
        "delete without where 1:38"},
    {SQL_ANSI, "update without where", "update t set a = (select 1 where true)", "update without where 1:1"},
    {SQL_ANSI, "update without where", "update t set a = (select 1) where b", ""},
    {SQL_ANSI, "update without where", "update t set a = 'where'", "update without where 1:1"},
    {SQL_POSTGRES, "delete without where", "with d as (delete from t returning *) select * from d where a",
        "delete without where 1:12"},
    {SQL_POSTGRES, "delete without where", "with d as (delete from t where b returning *) select * from d",
        ""},
    {SQL_ANSI, "update without where", "merge into t using s on a = b when matched then update set c = d",
        ""},
    {SQL_ANSI, "drop", "", ""},
    {SQL_ANSI, "drop", "drop", "drop 1:1"},
    {SQL_ANSI, "drop table", "drop", ""},
};

static void finds_forbidden_verbs_where_verbs_stand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(verb_cases) / sizeof(verb_cases[0]); i++) {
        struct bytes phrase = bytes_of(verb_cases[i].phrase);
        struct strings phrases = {&phrase, 1};
        struct findings f = {.count = 0};
        arena_reset(&arena);
        assert_true(verbs_phrase_is_valid(phrase));
        verbs_check(bytes_of(verb_cases[i].code), verb_cases[i].dialect, &phrases, &arena, &f);
        check(verb_cases[i].code, &f, verb_cases[i].wanted);
    }
}

static void takes_phrases_of_plain_words_only(void **state)
{
    static const char *const bad[] = {
        "", " drop", "drop ", "drop  table", "drop;", "a b c d e", "dröp", "drop\ttable"};
    struct bytes phrases[] = {BYTES(""), BYTES("drop;"), BYTES("drop")};
    struct strings list = {phrases, 3};
    struct findings f = {.count = 0};

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(verbs_phrase_is_valid(bytes_of(bad[i])));
    arena_reset(&arena);
    verbs_check(BYTES("drop table t"), SQL_ANSI, &list, &arena, &f);
    check("drop table t", &f, "drop 1:1");
}

/* ---- time ---- */

static void check_one(struct bytes text, void *context)
{
    struct bytes names[] = {BYTES("shell"), BYTES("python"), BYTES("scala")};
    struct strings list = {names, 3};
    struct findings f = {.count = 0};

    arena_reset(&arena);
    dangers_check(text, *(enum language *)context, &list, &arena, &f);
}

static void check_verbs(struct bytes text, void *context)
{
    struct bytes names[] = {BYTES("drop table"), BYTES("delete without where")};
    struct strings list = {names, 2};
    struct findings f = {.count = 0};

    (void)context;
    arena_reset(&arena);
    verbs_check(text, SQL_POSTGRES, &list, &arena, &f);
}

static void takes_time_linear_in_the_code(void **state)
{
    static const char *const pieces[] = {"echo a b 'c' \"d $e\"; ", "$(", "`", "( ", "\"$(", "${", "$((",
        "<<A ", "<<A\n", "sh <<A\n", "sh <<< '", "case a in ", "env ", "find -exec ", "find -exec a ; ",
        "sh -c '", "sh -c \"\\\"", "eval ", "a=(", "[[ ", "for ((", "import a as b, ", "from a import *\n",
        "from a import b as c\n", "f'{", "f'{x}' ", "a.b.", "a\n", "(\n", "'''", "\"\"\" ", "x.y(z) ", "/* ",
        "/* /* */ ", "s\"${", "s\"${a}\" ", "import a.{", "'", "\\", "#", "a"};

    (void)state;
    for (int l = 0; l < LANGUAGES; l++) {
        enum language language = (enum language)l;
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
            assert_true(nasty_is_linear(pieces[i], 20000, check_one, &language));
        assert_true(nasty_is_linear("echo a b 'c' \"d $e\"\n", 1000000, check_one, &language));
    }
    static const char *const sql[] = {
        "select a from t where b; ", "with a as (", "(delete from t ", "drop ", "explain "};
    for (size_t i = 0; i < sizeof(sql) / sizeof(sql[0]); i++)
        assert_true(nasty_is_linear(sql[i], 100000, check_verbs, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_commands_that_would_run),
        cmocka_unit_test(finds_imports_and_calls_of_python),
        cmocka_unit_test(finds_calls_of_scala),
        cmocka_unit_test(looks_only_for_the_rules_that_are_named),
        cmocka_unit_test(has_rules_that_say_what_to_do),
        cmocka_unit_test(stops_after_so_many_findings),
        cmocka_unit_test(finds_forbidden_verbs_where_verbs_stand),
        cmocka_unit_test(takes_phrases_of_plain_words_only),
        cmocka_unit_test(takes_time_linear_in_the_code),
    };
    return cmocka_run_group_tests(tests, arena_set_up, arena_tear_down);
}
