"""The floor under all stacks: the distribution's nginx, which answers ``/hello`` from a static file.

In the docker runtime it runs under the same limits as a stack, from an image that holds only this machine's nginx, its
libraries and a shell. It is not a framework, and answers nothing but ``/hello``.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from string import Template

from docker.errors import ImageNotFound

from common.catalog.frameworks import Interface
from common.catalog.servers import KEEP_ALIVE_S
from common.catalog.sizes import Size
from common.contract import HELLO
from common.engine.client import engine
from common.errors import FailedError
from common.host.folders import temporary_folder
from common.host.network import HOST, free_port
from common.host.readiness import responds, wait_until
from common.host.supervisor import supervised
from common.project import PROJECT
from common.records.run import Cell
from common.runtimes import container
from common.runtimes.process import refuse_quota
from common.runtimes.running_server import RunningServer, once_ready

NAME = "nginx"
SHELL = "/bin/sh"
BODY = f'"{HELLO}"'.encode()
CONFIGURATION = Template(f"""daemon off; master_process on; worker_processes $WORKERS; pid $FOLDER/pid;
error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log off; sendfile on; keepalive_timeout {KEEP_ALIVE_S}; keepalive_requests 1000000000;
  client_body_temp_path $FOLDER/b; proxy_temp_path $FOLDER/p; fastcgi_temp_path $FOLDER/f;
  uwsgi_temp_path $FOLDER/u; scgi_temp_path $FOLDER/s;
  server {{ listen $HOST:$PORT; root $ROOT; default_type application/json; }}
}}
""")
_FOLDERS = ("tmp", "site", "dev", "proc", "sys", "etc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nginx:
    """nginx with a single file; ``tag`` is its image in the docker runtime, ``None`` for a process."""

    tag: str | None = None

    @property
    def name(self) -> str:
        """Its name in tables."""
        return f"{NAME}+static-file"

    def serve(self, size: Size, *, cores: Sequence[int], inside: bool = True) -> AbstractContextManager[RunningServer]:
        """Bring it up on ``cores`` and leave nothing behind afterwards."""
        if self.tag is None:
            return _process(self.name, size, cores)
        return once_ready(container.started(self.name, self.tag, size, cores=cores, inside=inside))

    def cell(self) -> Cell:
        """Return the record of nginx as a cell."""
        return Cell(
            name=self.name,
            framework=NAME,
            title="nginx, a static file",
            version=version(),
            interface=Interface.NATIVE,
            server="static-file",
            server_packages=[],
            lock_sha256="",
            keep_alive=True,
            image_id=None if self.tag is None else engine().images.get(self.tag).id,
            python="",
        )


def why_no_nginx() -> str | None:
    """Return the reason why nginx cannot be measured here; ``None`` if it can."""
    return None if _program() else "nginx is not on this machine (Debian: apt-get install nginx-light)"


def prepare_nginx(*, docker: bool) -> Nginx:
    """Return nginx, after making its image if it is to run in Docker; ``FailedError`` if nginx is not installed."""
    if (why := why_no_nginx()) is not None:
        raise FailedError(why)
    return Nginx(tag=_image() if docker else None)


def version() -> str:
    """Return the version of this machine's nginx."""
    # It prints "nginx version: nginx/1.22.1" on standard error.
    printed = subprocess.run([str(_program()), "-v"], capture_output=True, text=True, check=True).stderr
    return printed.strip().rpartition("/")[2].split()[0]


def libraries(listing: str) -> tuple[str, ...]:
    """Return the files that ``ldd`` lists in its output."""
    return tuple(re.findall(r"(/\S+) \(0x", listing))


def _program() -> str | None:
    return shutil.which(NAME, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")


def start_script(program: str) -> str:
    """Return a script that writes the configuration with ``$HOST``, ``$PORT`` and ``$WORKERS`` and becomes nginx."""
    values = {"FOLDER": "/tmp", "HOST": "'$HOST'", "PORT": "'$PORT'", "WORKERS": "'$WORKERS'", "ROOT": "/site"}  # noqa: S108 -- a container's own
    return f"printf '%s' '{CONFIGURATION.substitute(values)}' > /tmp/conf && exec {program} -e stderr -c /tmp/conf"


@contextmanager
def _process(name: str, size: Size, cores: Sequence[int]) -> Iterator[RunningServer]:
    refuse_quota(size)
    port = free_port()
    url = f"http://{HOST}:{port}"
    with temporary_folder("nginx") as folder:
        (folder / "hello").write_bytes(BODY)
        values = {"FOLDER": folder, "HOST": HOST, "PORT": port, "WORKERS": size.workers, "ROOT": folder}
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "conf").write_text(user + CONFIGURATION.substitute(values))
        line = [str(_program()), "-e", "stderr", "-c", str(folder / "conf")]
        with supervised(line, cwd=folder, cores=cores) as program:
            wait_until(lambda: responds(url), program.exit_reason, name=name, output=program.output)
            yield RunningServer(
                url=url,
                client_prefix=(),
                cpu_meter=program.tree_meter,
                memory_meter=program.tree_meter,
                exit_reason=program.exit_reason,
            )


def _image() -> str:
    """Return the tag of the minimal image, which is made if the engine does not have it yet."""
    program = str(_program())
    content = _archive([program, SHELL])
    tag = f"{NAME}-{version()}-{hashlib.sha256(content).hexdigest()[:12]}"
    try:
        engine().images.get(f"{PROJECT}/floor:{tag}")
    except ImageNotFound:
        changes = ["ENV HOST=0.0.0.0 PORT=8000 WORKERS=1", "USER 10001:10001", f'CMD ["{SHELL}", "/start"]']
        engine().api.import_image_from_data(content, repository=f"{PROJECT}/floor", tag=tag, changes=changes)
    return f"{PROJECT}/floor:{tag}"


def _archive(programs: Sequence[str]) -> bytes:
    """Return a tar of a root file system: the programs, their shared libraries, the site and the start script."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for folder in _FOLDERS:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            archive.addfile(entry)
        for file in _with_libraries(programs):
            _add(archive, file.lstrip("/"), Path(file).read_bytes(), 0o755)
        _add(archive, "site/hello", BODY, 0o644)
        _add(archive, "etc/passwd", b"nobody:x:10001:10001::/:/\n", 0o644)
        _add(archive, "etc/group", b"nobody:x:10001:\nnogroup:x:10001:\n", 0o644)
        _add(archive, "start", start_script(programs[0]).encode(), 0o644)
    return out.getvalue()


def _with_libraries(programs: Sequence[str]) -> list[str]:
    files = set(programs)
    for program in programs:
        listing = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        files.update(libraries(listing))
    return sorted(files)


def _add(archive: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    archive.addfile(entry, io.BytesIO(content))
