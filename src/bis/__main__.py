"""``python -m bis``."""

from __future__ import annotations

import sys

from bis.cli.main import main

sys.exit(main())
