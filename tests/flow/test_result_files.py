# SPDX-License-Identifier: Apache-2.0
"""Result tables are plain Avro files: fastavro reads what Millrace wrote."""
import subprocess

import fastavro

from harness import settings


def test_fastavro_reads_a_result_table(tmp_path):
    path = subprocess.run([settings.BIN / "test_result", "--write", tmp_path], check=True, capture_output=True, text=True,
                          timeout=60).stdout.strip()
    with open(tmp_path / path, "rb") as file:
        reader = fastavro.reader(file)
        fields = reader.writer_schema["fields"]
        rows = list(reader)
    assert reader.codec == "deflate"
    assert [field["name"] for field in fields] == ["id", "c2", "c3", "ok", "raw", "when"]
    assert [field.get("doc") for field in fields] == [None, "odd name", "id", None, None, None]
    assert [field["type"][1] for field in fields] == ["long", "string", "double", "boolean", "bytes", "string"]
    assert len(rows) == 5000
    assert rows[4321] == {"id": 4321, "c2": f"text {4321 * 7919 % 10007} of a row", "c3": 4321.5, "ok": False,
                          "raw": b"\x00\xff", "when": None}
