# SPDX-License-Identifier: Apache-2.0
"""Where things are: the same names, folders and ports as in ./run, taken from its environment."""
import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
VAR = Path(os.path.realpath(ROOT / os.environ.get("MILLRACE_VAR", "var/test")))
OFFSET = int(os.environ.get("MILLRACE_PORT_OFFSET", "5000"))
PRESET = os.environ.get("MILLRACE_PRESET", "asan")
BUILD = Path(os.environ.get("MILLRACE_BUILD_DIR", ROOT / "build" / PRESET))
BIN = BUILD / "bin"

KAFKA_PORT = 9092 + OFFSET
MONGO_PORT = 27017 + OFFSET
POSTGRES_PORT = 9712 + OFFSET
# ./run's own stages take five ports from 8420; ours lie behind them, and always below 32768: above it the kernel takes ports
# for clients, and a stage that starts again could find its own taken.
FIRST_STAGE_PORT = 8440 + OFFSET % 24000

BROKERS = f"127.0.0.1:{KAFKA_PORT}"
MONGO_URI = f"mongodb://127.0.0.1:{MONGO_PORT}"
