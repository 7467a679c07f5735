"""A real nginx for the proxy tests."""

import os
from pathlib import Path

from scripts.lib import child

from . import port


class Nginx:
    """Serves a configuration; whatever it writes lies below `directory`.

    `http` is what stands between the braces of `http { … }`; one of its servers listens at `listen` of 127.0.0.1.
    """

    def __init__(self, program: str, http: str, listen: int, directory: Path, workers: str = "1") -> None:
        self.url = f"http://127.0.0.1:{listen}"
        self.directory = directory
        # The places that Debian compiles in belong to root.
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        places = "".join(f"{kind}_temp_path {directory}/{kind};\n" for kind in kinds)
        # Started by root, its worker would be another account, which may not enter pytest's directories.
        account = "user root;\n" if os.geteuid() == 0 else ""
        file = directory / "nginx.conf"
        file.write_text(
            f"{account}daemon off;\npid {directory}/pid;\nerror_log {directory}/error.log warn;\nworker_processes {workers};\n"
            f"events {{ worker_connections 512; }}\nhttp {{\naccess_log {directory}/access.log;\n{places}{http}\n}}\n"
        )
        log = directory / "start.log"
        with log.open("wb") as output:
            self.process = child.start([program, "-p", directory, "-c", file, "-e", directory / "error.log"],
                                        output=output)  # fmt: skip
        port.wait_for(listen, self.process, log)

    def stop(self) -> None:
        child.end(self.process)
