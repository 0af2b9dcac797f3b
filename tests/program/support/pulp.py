"""Pulp on loopback for the tests: its API with the registry and the token server, its content app, its database.

Runs under the interpreter that has `pulp-container` (`tests/pulp.sh` makes one). When the server is up and filled, one line
of JSON on standard output says where it is, who may log in and what it holds (`pulp_content.fill`). It ends when its
standard input closes or on SIGTERM, and leaves neither a process nor a file.
"""

import base64
import contextlib
import ctypes
import glob
import json
import os
import pathlib
import pwd
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import pulp_content

# Seconds for one answer, or for the database to be ready.
PATIENCE = 120

# Tokens live so many seconds, 300 unless configured. Short enough for a walk to outlive them, long enough for one answer
# of a loaded machine.
TOKEN_LIFETIME = 5

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    threading.Thread(target=end_with_standard_input, daemon=True).start()
    with contextlib.ExitStack() as running:
        directory = pathlib.Path(running.enter_context(tempfile.TemporaryDirectory()))
        try:
            print(json.dumps(start(directory, running)), flush=True)
        except Exception:
            for path in sorted(directory.glob("*.log")):
                print(f"--- {path.name}", *path.read_text().splitlines()[-20:], sep="\n", file=sys.stderr)
            raise
        signal.pause()


def end_with_standard_input():
    sys.stdin.buffer.read()
    os.kill(os.getpid(), signal.SIGTERM)


def start(directory, running):
    """Starts all of it in the directory, each process to be ended by `running`; gives what the tests need to know."""
    database = start_database(directory, running)
    # Bound here and handed over: no other process can take the ports in between.
    api, content = listener(), listener()
    url = "http://127.0.0.1:%d" % api.getsockname()[1]
    environment = configure(directory, database, url, "http://127.0.0.1:%d" % content.getsockname()[1])
    password = secrets.token_hex()
    manager = [program("pulpcore-manager")]
    finish(directory, [*manager, "migrate", "--no-input"], env=environment)
    finish(directory, [*manager, "reset-admin-password", "--password", password], env=environment)
    # Each line the `Authorization` of a request, `-` for none, its method and its target. One writes it as gunicorn does.
    api_log, content_log = directory / "api-requests.log", directory / "content-requests.log"
    serve(directory, running, "pulpcore-api", api, environment, api_log, "%({authorization}i)s %(m)s %(U)s")
    serve(directory, running, "pulpcore-content", content, environment, content_log, "%{Authorization}i %r")
    logs = {"api_log": str(api_log), "content_log": str(content_log)}
    return {"url": url, **logs, **pulp_content.fill(url, password, PATIENCE)}


def start_database(directory, running):
    """A PostgreSQL of our own that listens on a socket in its directory alone; gives that directory."""
    binaries = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[-2]))
    home = directory / "database"
    home.mkdir()
    account = {}
    if os.geteuid() == 0:
        # It refuses to run as root.
        entry = pwd.getpwnam("postgres")
        account = {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
        os.chown(home, entry.pw_uid, entry.pw_gid)
        directory.chmod(0o711)
    # The catalog's order is the database's: here that of people, as under any locale but C, and not that of bytes.
    locale = ["--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US"]
    arguments = ["--username=pulp", "--auth=trust", "--no-sync", f"--pgdata={home}/data", *locale]
    finish(directory, [f"{binaries}/initdb", *arguments], **account)
    options = ["listen_addresses=", f"unix_socket_directories={home}", "unix_socket_permissions=0700", "fsync=off"]
    options = [word for option in options for word in ("-c", option)]
    spawn(directory, running, [f"{binaries}/postgres", "-D", f"{home}/data", *options], signal.SIGQUIT, **account)
    deadline = time.monotonic() + PATIENCE
    ready = [f"{binaries}/pg_isready", "--quiet", f"--host={home}"]
    while subprocess.run(ready).returncode != 0:
        if time.monotonic() > deadline:
            raise TimeoutError("PostgreSQL does not start")
        time.sleep(0.05)
    return home


def configure(directory, database, url, content):
    """Writes Pulp's settings and keys; gives the environment by which its programs find them."""
    key, public, symmetric = (directory / name for name in ["token.pem", "token.pub", "database.key"])
    finish(directory, ["openssl", "ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", key])
    finish(directory, ["openssl", "ec", "-in", key, "-pubout", "-out", public])
    symmetric.write_bytes(base64.urlsafe_b64encode(secrets.token_bytes(32)))
    # Pulp takes files out of its working directory that others are still to read: the temporary ones lie elsewhere.
    for name in ["media", "working", "temporary", "assets"]:
        (directory / name).mkdir()
    settings = {
        "SECRET_KEY": secrets.token_hex(),
        "DB_ENCRYPTION_KEY": str(symmetric),
        "DATABASES": {
            "default": {
                "ENGINE": "django.db.backends.postgresql",
                "HOST": str(database),
                "USER": "pulp",
                "NAME": "postgres",
            }
        },
        "DEPLOY_ROOT": str(directory),
        "MEDIA_ROOT": str(directory / "media"),
        "WORKING_DIRECTORY": str(directory / "working"),
        "FILE_UPLOAD_TEMP_DIR": str(directory / "working"),
        "STATIC_ROOT": str(directory / "assets"),
        "CONTENT_ORIGIN": content,
        "TOKEN_SERVER": f"{url}/token/",
        "TOKEN_AUTH_DISABLED": False,
        "TOKEN_SIGNATURE_ALGORITHM": "ES256",
        "TOKEN_EXPIRATION_TIME": TOKEN_LIFETIME,
        "PRIVATE_KEY_PATH": str(key),
        "PUBLIC_KEY_PATH": str(public),
        "CACHE_ENABLED": False,
        # The default hashes for a third of a second at each login.
        "PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"],
        "ANALYTICS": False,
    }
    path = directory / "settings.py"
    path.write_text("".join(f"{name} = {value!r}\n" for name, value in settings.items()))
    return {
        "PATH": os.environ["PATH"],
        "HOME": str(directory),
        "TMPDIR": str(directory / "temporary"),
        "PULP_SETTINGS": str(path),
    }


def listener():
    bound = socket.create_server(("127.0.0.1", 0), backlog=128)
    bound.set_inheritable(True)
    return bound


def serve(directory, running, name, bound, environment, log, line):
    """Starts a program on a bound socket, and leaves that to it: should it end, whoever asks is refused."""
    descriptor = bound.fileno()
    arguments = [program(name), "--bind", f"fd://{descriptor}", "--workers", "2", "--no-control-socket"]
    arguments += ["--access-logfile", str(log), "--access-logformat", line]
    spawn(directory, running, arguments, signal.SIGTERM, env=environment, pass_fds=[descriptor])
    bound.close()


def spawn(directory, running, arguments, end, **options):
    """Starts a process and has it ended with the signal `end`: with `running`, or when we are killed."""
    options = {"start_new_session": True, "preexec_fn": lambda: LIBC.prctl(PR_SET_PDEATHSIG, int(end)), **options}
    with log(directory, arguments) as file:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, **options)
    running.callback(stop, process, end)


def stop(process, end):
    process.send_signal(end)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def finish(directory, arguments, **options):
    """Runs a command to its end, which must be a good one."""
    with log(directory, arguments) as file:
        subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file, check=True, **options)


def log(directory, arguments):
    return open(directory / f"{pathlib.Path(arguments[0]).name}.log", "a")


def program(name):
    return str(pathlib.Path(sys.executable).parent / name)


if __name__ == "__main__":
    main()
