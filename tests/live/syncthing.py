"""Syncthing between the machines of a federation, on loopback: an instance with a home of its own for each participant.

Each participant's space is one folder of Syncthing: its owner sends only, everybody else receives only. No discovery,
no relays, no NAT traversal: the instances know each other by address.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from syftbox_network import Process, free_port, wait_for


def possible() -> bool:
    """Whether Syncthing is here."""
    return bool(shutil.which("syncthing"))


class Syncthing:
    """One instance for each participant.

    Parameters
    ----------
    place : Path
        An empty folder.
    people : sequence of str
        The participants.
    """

    def __init__(self, place: Path, people: Sequence[str]) -> None:
        self.place, self.people = place, tuple(people)
        self._environ = {"HOME": str(place), "PATH": "/usr/bin:/bin", "STNODEFAULTFOLDER": "1"}
        self._devices = {person: self._generate(person) for person in self.people}
        self._ports = {person: (free_port(), free_port()) for person in self.people}
        for person in self.people:
            self._configure(person)
        self._processes = [self._start(person) for person in self.people]
        for person in self.people:
            wait_for(f"http://127.0.0.1:{self._ports[person][1]}/rest/noauth/health")

    def root(self, person: str) -> Path:
        """The shared directory as this participant has it."""
        return self.place / "shared" / person

    def close(self) -> None:
        """End all instances."""
        for process in self._processes:
            process.kill()

    def _home(self, person: str) -> Path:
        return self.place / "homes" / person

    def _generate(self, person: str) -> str:
        words = ["syncthing", "generate", f"--home={self._home(person)}", "--no-default-folder"]
        subprocess.run(words, env=self._environ, capture_output=True, check=True, timeout=120)
        shown = subprocess.run(
            ["syncthing", f"--home={self._home(person)}", "--device-id"],
            env=self._environ,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        )
        found = re.search(r"[A-Z0-9]{7}(?:-[A-Z0-9]{7}){7}", shown.stdout)
        assert found is not None, shown.stdout
        return found[0]

    def _configure(self, person: str) -> None:
        file = self._home(person) / "config.xml"
        tree = ElementTree.parse(file)
        root = tree.getroot()
        for element in [*root.findall("folder"), *root.findall("device")]:
            root.remove(element)
        listen, gui = self._ports[person]
        for other in self.people:
            device = ElementTree.SubElement(root, "device", id=self._devices[other], name=other)
            ElementTree.SubElement(device, "address").text = f"tcp://127.0.0.1:{self._ports[other][0]}"
            kind = "sendonly" if other == person else "receiveonly"
            folder = ElementTree.SubElement(
                root,
                "folder",
                id=other,
                label=other,
                path=str(self.root(person) / other),
                type=kind,
                rescanIntervalS="60",
                fsWatcherEnabled="true",
                fsWatcherDelayS="1",
            )
            (self.root(person) / other).mkdir(parents=True)
            for member in self.people:
                ElementTree.SubElement(folder, "device", id=self._devices[member])
        options = root.find("options")
        assert options is not None
        for name, value in (
            ("listenAddress", f"tcp://127.0.0.1:{listen}"),
            ("globalAnnounceEnabled", "false"),
            ("localAnnounceEnabled", "false"),
            ("relaysEnabled", "false"),
            ("natEnabled", "false"),
            ("urAccepted", "-1"),
            ("crashReportingEnabled", "false"),
            ("autoUpgradeIntervalH", "0"),
        ):
            for element in options.findall(name):
                options.remove(element)
            ElementTree.SubElement(options, name).text = value
        address = root.find("gui/address")
        assert address is not None
        address.text = f"127.0.0.1:{gui}"
        tree.write(file)

    def _start(self, person: str) -> Process:
        words = ["syncthing", "serve", f"--home={self._home(person)}", "--no-browser", "--no-restart"]
        return Process(words, self.place / f"{person}.syncthing.log", self._environ, self.place)
