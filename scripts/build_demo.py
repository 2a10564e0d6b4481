"""Build the demo page into devstack/demo/dist, with a digest of what it was built from (docs/adr/)."""

import hashlib
import io
import math
import subprocess
import sys
import wave
from pathlib import Path

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "devstack/demo"
CLIENT = ROOT / "clients/typescript/src"
RECORDING = "counting.wav"
DIGEST = DEMO / "dist/sources.sha256"


def fingerprint() -> str:
    """A digest of everything that the page is built from."""
    sources = [DEMO / "index.html", DEMO / "vite.config.ts", ROOT / "package-lock.json"]
    sources += [*sorted((DEMO / "src").iterdir()), *sorted(CLIENT.rglob("*.ts"))]
    whole = hashlib.sha256()
    for source in sources:
        whole.update(source.relative_to(ROOT).as_posix().encode() + b"\0" + source.read_bytes())
    return whole.hexdigest()


def sample_recording() -> bytes:
    """Ten short tones, the sample post that counts from one to ten: something to hear without a microphone."""
    rate, step = 8_000, 2_400
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(1)
        file.setframerate(rate)
        for number in range(10):
            pitch = 262 * 2 ** (number / 12)
            fading = (1 - at / step for at in range(step))
            file.writeframes(
                bytes(
                    round(128 + 90 * loud * math.sin(2 * math.pi * pitch * at / rate))
                    for at, loud in enumerate(fading)
                )
            )
    return made.getvalue()


def main() -> int:
    """Build the client, then the page; the exit status."""
    for workspace in ("clients/typescript", "devstack/demo"):
        command = ["npm", "run", "--silent", "build", "--workspace", workspace]
        status = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - our own arguments
        if status:
            return status
    (DEMO / "dist" / RECORDING).write_bytes(sample_recording())
    DIGEST.write_text(fingerprint())
    return 0


if __name__ == "__main__":
    sys.exit(main())
