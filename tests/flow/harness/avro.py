# SPDX-License-Identifier: Apache-2.0
"""Records as a foreign program writes and reads them: fastavro and the schemas of schemas/, single-object encoding by hand
(C3 01, the CRC-64-AVRO of the schema's canonical form, the value). Nothing of Millrace's own codec is used here."""
import io
import json

import fastavro
from fastavro.schema import fingerprint, to_parsing_canonical_form

from . import settings

MAGIC = b"\xc3\x01"
NAMES = ["JobSubmitted", "JobConverted", "JobPlanned", "JobEvent", "JobLog", "JobControl"]


class Schema:
    def __init__(self, name):
        self.name = name
        self.raw = json.loads((settings.ROOT / "schemas" / f"{name}.avsc").read_text())
        self.parsed = fastavro.parse_schema(self.raw)
        # fastavro gives the eight bytes in the order in which they are written, as hex.
        self.fingerprint = bytes.fromhex(fingerprint(to_parsing_canonical_form(self.raw), "CRC-64-AVRO"))

    def encode(self, record):
        out = io.BytesIO()
        fastavro.schemaless_writer(out, self.parsed, record)
        return MAGIC + self.fingerprint + out.getvalue()

    def decode(self, value):
        assert value[:2] == MAGIC, f"not single-object encoded: {value[:16]!r}"
        assert value[2:10] == self.fingerprint, f"not a {self.name}: {value[2:10].hex()}, expected {self.fingerprint.hex()}"
        rest = io.BytesIO(value[10:])
        record = fastavro.schemaless_reader(rest, self.parsed, None)
        assert rest.read() == b"", "bytes are left over after the record"
        return record


schemas = {name: Schema(name) for name in NAMES}


def encode(name, record):
    return schemas[name].encode(record)


def decode(name, value):
    return schemas[name].decode(value)
