"""Starts a server of buckets on a free port of loopback, makes the bucket `inv`, and prints the port. Ends when standard
input ends, however the test ends: `server.py moto`, `server.py azurite PROGRAM`, `server.py s3rver PROGRAM`."""

import base64
import datetime
import hashlib
import hmac
import logging
import re
import subprocess
import sys
import tempfile
import threading
import urllib.request

ACCOUNT = "devstoreaccount1"
# The published key of the emulator.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def put(url, headers=None):
    urllib.request.urlopen(urllib.request.Request(url, data=b"", method="PUT", headers=headers or {})).read()


def moto():
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _, port = server.get_host_and_port()
    put(f"http://127.0.0.1:{port}/inv")
    return port, server.stop


def child(command, pattern, directory):
    process = subprocess.Popen(command, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen = []
    for line in process.stdout:
        seen.append(line)
        found = re.search(pattern, line)
        if found:
            # What it says later must not fill the pipe.
            threading.Thread(target=lambda: [None for _ in process.stdout], daemon=True).start()

            def stop():
                process.terminate()
                process.wait()

            return int(found.group(1)), stop
    sys.exit("the server did not start: " + "".join(seen))


def azurite(program):
    # It keeps small files in its working directory, even with its data in memory.
    directory = tempfile.TemporaryDirectory()
    options = ["--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    command = [program, "--blobHost", "127.0.0.1", "--blobPort", "0", *options]
    port, stop = child(command, r"listens on http://127\.0\.0\.1:(\d+)", directory.name)
    date = datetime.datetime.now(datetime.timezone.utc).strftime("%a, %d %b %Y %H:%M:%S GMT")
    version = "2021-08-06"
    # Shared Key, as the documentation of Azure describes it; the account stands twice in the path of the emulator.
    text = f"PUT\n\n\n\n\n\n\n\n\n\n\n\nx-ms-date:{date}\nx-ms-version:{version}\n/{ACCOUNT}/{ACCOUNT}/inv\nrestype:container"
    signature = base64.b64encode(hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()).decode()
    headers = {"x-ms-date": date, "x-ms-version": version, "Authorization": f"SharedKey {ACCOUNT}:{signature}"}
    headers["Content-Type"] = ""
    put(f"http://127.0.0.1:{port}/{ACCOUNT}/inv?restype=container", headers)

    def stop_all():
        stop()
        directory.cleanup()

    return port, stop_all


def s3rver(program):
    directory = tempfile.TemporaryDirectory()
    command = [program, "-d", directory.name, "-a", "127.0.0.1", "-p", "0", "--configure-bucket", "inv"]
    port, stop = child(command, r"127\.0\.0\.1:(\d+)", directory.name)

    def stop_all():
        stop()
        directory.cleanup()

    return port, stop_all


port, stop = {"moto": moto, "azurite": azurite, "s3rver": s3rver}[sys.argv[1]](*sys.argv[2:])
print(f"port {port}", flush=True)
sys.stdin.read()
stop()
