/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dangers: see dangers.h. The table of rules, and which of them count. The scanners are in danger_shell.c, danger_command.c,
 * danger_python.c and danger_scala.c.
 */
#include "converter/dangers.h"

#include <string.h>

#include "converter/dangers_private.h"
#include "core/error.h"

#define COMMAND(name, what, ...)                                                                             \
    {                                                                                                        \
        name, DANGER_COMMAND, what, __VA_ARGS__                                                              \
    }
#define IMPORT(name, what, why)                                                                              \
    {                                                                                                        \
        name, DANGER_PYTHON_IMPORT, what, why, NULL, NULL, NULL, false                                       \
    }
#define PYTHON(name, what, why)                                                                              \
    {                                                                                                        \
        name, DANGER_PYTHON_NAME, what, why, NULL, NULL, NULL, false                                         \
    }
#define SCALA(name, what, why)                                                                               \
    {                                                                                                        \
        name, DANGER_SCALA_NAME, what, why, NULL, NULL, NULL, false                                          \
    }
#define ANY NULL, NULL, NULL, false

static const char deletes[] = "deletes files for good; leave it out, or ask an operator";
static const char everything[] =
    "deletes whole folders of the system or a home; name the folder that is meant";
static const char disks[] = "writes to disks past their file systems; leave it out";
static const char kills[] = "ends processes, others' too; cancel the job instead";
static const char power[] = "stops the machine that others use; leave it out";
static const char rights[] = "changes the rights of whole folders; name the files that are meant";
static const char root[] = "runs as another account; submit the job as that user instead";
static const char services[] = "changes the machine's services or timetable; use the scheduler instead";
static const char users[] = "changes accounts of the machine; ask an operator";
static const char network[] = "changes the machine's network; ask an operator";
static const char mounts[] = "changes what is mounted; ask an operator";
static const char cluster_files[] = "deletes files of the cluster; leave it out, or ask an operator";
static const char cluster_jobs[] = "ends applications of the cluster; cancel the job instead";
static const char engines[] = "starts an engine past its limits; submit the code to that engine as a job";
static const char shells[] = "runs code that nobody has looked at; write the commands into the job";
static const char starts[] = "starts other programs; submit them as a shell job";
static const char evaluates[] = "runs text as code; write the code into the job";
static const char ends[] = "ends the engine's process, not only this code; leave it out or raise an error";
static const char secrets[] = "reads or writes the machine's settings; leave it out";
static const char session[] = "ends the session that others may use; leave it out, the engine ends it";
static const char native[] = "reaches past Python into the process; leave it out";
static const char sockets[] = "opens network connections of its own; use the platform's connections";

const struct danger_rule danger_rules[] = {
    COMMAND("shell.rm_root", "rm", everything, "rR", "--recursive", NULL, true),
    COMMAND("shell.rm", "rm", deletes, ANY),
    COMMAND("shell.rm", "unlink", deletes, ANY),
    COMMAND("shell.rm", "shred", deletes, ANY),
    COMMAND("shell.rm", "find", deletes, NULL, NULL, "-delete", false),
    COMMAND("shell.disk", "dd", disks, NULL, NULL, "of=/dev/", false),
    COMMAND("shell.disk", "mkfs*", disks, ANY),
    COMMAND("shell.disk", "fdisk", disks, ANY),
    COMMAND("shell.disk", "parted", disks, ANY),
    COMMAND("shell.disk", "wipefs", disks, ANY),
    COMMAND("shell.kill", "kill", kills, ANY),
    COMMAND("shell.kill", "killall", kills, ANY),
    COMMAND("shell.kill", "pkill", kills, ANY),
    COMMAND("shell.power", "shutdown", power, ANY),
    COMMAND("shell.power", "reboot", power, ANY),
    COMMAND("shell.power", "halt", power, ANY),
    COMMAND("shell.power", "poweroff", power, ANY),
    COMMAND("shell.power", "init", power, ANY),
    COMMAND("shell.rights", "chmod", rights, "R", "--recursive", NULL, false),
    COMMAND("shell.rights", "chown", rights, "R", "--recursive", NULL, false),
    COMMAND("shell.rights", "chgrp", rights, "R", "--recursive", NULL, false),
    COMMAND("shell.root", "sudo", root, ANY),
    COMMAND("shell.root", "su", root, ANY),
    COMMAND("shell.root", "doas", root, ANY),
    COMMAND("shell.root", "pkexec", root, ANY),
    COMMAND("shell.service", "systemctl", services, ANY),
    COMMAND("shell.service", "service", services, ANY),
    COMMAND("shell.service", "crontab", services, ANY),
    COMMAND("shell.service", "at", services, ANY),
    COMMAND("shell.users", "useradd", users, ANY),
    COMMAND("shell.users", "userdel", users, ANY),
    COMMAND("shell.users", "usermod", users, ANY),
    COMMAND("shell.users", "passwd", users, ANY),
    COMMAND("shell.network", "iptables", network, ANY),
    COMMAND("shell.network", "nft", network, ANY),
    COMMAND("shell.mount", "mount", mounts, ANY),
    COMMAND("shell.mount", "umount", mounts, ANY),
    COMMAND("shell.hdfs", "hdfs", cluster_files, NULL, NULL, "-rm", false),
    COMMAND("shell.hdfs", "hadoop", cluster_files, NULL, NULL, "-rm", false),
    COMMAND("shell.yarn", "yarn", cluster_jobs, NULL, NULL, "-kill", false),
    COMMAND("shell.engine", "spark-submit", engines, ANY),
    COMMAND("shell.engine", "spark-sql", engines, ANY),
    COMMAND("shell.engine", "spark-shell", engines, ANY),
    COMMAND("shell.engine", "pyspark", engines, ANY),
    COMMAND("shell.engine", "hive", engines, ANY),
    COMMAND("shell.engine", "beeline", engines, ANY),
    COMMAND("shell.engine", "python*", engines, ANY),
    COMMAND("shell.shell", "sh", shells, ANY),
    COMMAND("shell.shell", "bash", shells, ANY),
    COMMAND("shell.shell", "dash", shells, ANY),
    COMMAND("shell.shell", "ksh", shells, ANY),
    COMMAND("shell.shell", "zsh", shells, ANY),
    COMMAND("shell.shell", "source", shells, ANY),
    COMMAND("shell.shell", ".", shells, ANY),
    COMMAND("shell.shell", "eval", shells, ANY),

    IMPORT("python.import_os", "os", starts),
    IMPORT("python.import_sys", "sys", native),
    IMPORT("python.import_subprocess", "subprocess", starts),
    IMPORT("python.import_multiprocessing", "multiprocessing", starts),
    IMPORT("python.import_ctypes", "ctypes", native),
    IMPORT("python.import_socket", "socket", sockets),
    PYTHON("python.program", "os.system", starts),
    PYTHON("python.program", "os.popen*", starts),
    PYTHON("python.program", "os.exec*", starts),
    PYTHON("python.program", "os.spawn*", starts),
    PYTHON("python.program", "os.posix_spawn*", starts),
    PYTHON("python.program", "os.fork*", starts),
    PYTHON("python.program", "pty.spawn", starts),
    PYTHON("python.program", "subprocess.*", starts),
    PYTHON("python.delete", "shutil.rmtree", deletes),
    PYTHON("python.delete", "os.remove*", deletes),
    PYTHON("python.delete", "os.unlink", deletes),
    PYTHON("python.delete", "os.rmdir", deletes),
    PYTHON("python.eval", "eval", evaluates),
    PYTHON("python.eval", "exec", evaluates),
    PYTHON("python.eval", "compile", evaluates),
    PYTHON("python.eval", "__import__", evaluates),
    PYTHON("python.eval", "importlib.import_module", evaluates),
    PYTHON("python.exit", "os._exit", ends),
    PYTHON("python.exit", "os.abort", ends),
    PYTHON("python.exit", "os.kill*", ends),
    {"python.etc", DANGER_PYTHON_NAME, "open", secrets, NULL, NULL, "/etc/", false},
    PYTHON("python.spark_stop", "sc.stop", session),
    PYTHON("python.spark_stop", "sc.cancelAllJobs", session),
    PYTHON("python.spark_stop", "spark.stop", session),
    PYTHON("python.spark_stop", "spark.sparkContext.stop", session),

    SCALA("scala.exit", "System.exit", ends),
    SCALA("scala.exit", "sys.exit", ends),
    SCALA("scala.exit", "Runtime.halt", ends),
    SCALA("scala.program", "Runtime.getRuntime", starts),
    SCALA("scala.program", "ProcessBuilder", starts),
    SCALA("scala.program", "sys.process", starts),
    SCALA("scala.spark_stop", "sc.stop", session),
    SCALA("scala.spark_stop", "sc.cancelAllJobs", session),
    SCALA("scala.spark_stop", "spark.stop", session),
    SCALA("scala.spark_stop", "sparkContext.stop", session),
    {NULL, DANGER_COMMAND, NULL, NULL, ANY},
};

/* "shell.rm" is named by itself and by "shell". */
static bool is_named(const char *rule, struct bytes name)
{
    size_t len = strlen(rule);

    if (name.len == 0 || name.len > len || memcmp(rule, name.data, name.len) != 0)
        return false;
    return name.len == len || rule[name.len] == '.';
}

bool danger_name_is_known(struct bytes name)
{
    for (const struct danger_rule *r = danger_rules; r->name != NULL; r++) {
        if (is_named(r->name, name))
            return true;
    }
    return false;
}

void danger_found(struct danger_check *c, size_t row, size_t offset, size_t length)
{
    const struct danger_rule *r = &danger_rules[row];

    /* Two rows of one rule, or two ways to one place, are one finding. */
    for (size_t i = 0; i < c->out->count; i++) {
        if (c->out->items[i].offset == offset && bytes_equal_text(c->out->items[i].rule, r->name))
            return;
    }
    finding_add(c->out, c->arena, c->code, offset, length, bytes_of(r->name), r->why);
}

static bool is_of(enum danger_kind kind, enum language l)
{
    switch (kind) {
    case DANGER_COMMAND:
        return l == LANGUAGE_SHELL;
    case DANGER_PYTHON_IMPORT:
    case DANGER_PYTHON_NAME:
        return l == LANGUAGE_PYTHON;
    case DANGER_SCALA_NAME:
        return l == LANGUAGE_SCALA;
    }
    return false;
}

void dangers_check(
    struct bytes code, enum language l, const struct strings *names, struct arena *a, struct findings *out)
{
    struct danger_check *c = arena_alloc(a, sizeof(*c));

    *c = (struct danger_check){.code = code, .arena = a, .out = out};
    for (size_t row = 0; danger_rules[row].name != NULL; row++) {
        bool named = false;
        MUST(row < DANGER_RULES_MAX);
        for (size_t i = 0; i < names->count && !named; i++)
            named = is_named(danger_rules[row].name, names->items[i]);
        if (named && is_of(danger_rules[row].kind, l))
            c->rows[c->row_count++] = row;
    }
    if (c->row_count == 0)
        return;
    switch (l) {
    case LANGUAGE_SHELL:
        danger_shell(c, code, NULL, 0);
        break;
    case LANGUAGE_PYTHON:
        danger_python(c);
        break;
    case LANGUAGE_SCALA:
        danger_scala(c);
        break;
    case LANGUAGE_SQL:
    case LANGUAGE_OTHER:
    case LANGUAGES:
        break;
    }
}
