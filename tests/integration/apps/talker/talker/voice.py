"""Says a word in the three ways in which a process can: from Python, from a C library, and through a child."""

import ctypes
import subprocess
import sys


def say(word: str) -> None:
    print(f"python-{word}")
    ctypes.CDLL(None).puts(f"library-{word}".encode())
    subprocess.run([sys.executable, "-S", "-c", f"print('child-{word}')"], check=True)
