"""What the tests' Pulp holds: accounts, and repositories pushed over the registry's own protocol."""

import base64
import hashlib
import itertools
import json
import time
import urllib.error
import urllib.parse
import urllib.request

IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"

# Pages of 20 are exactly full for who sees all repositories.
REPOSITORIES, PRIVATE = 60, 6

# Characters that a client may get wrong on their way into Basic credentials.
PASSWORD = "pä:%/+ß w"


def fill(url, password, patience):
    """Gives `accounts`, user name and password, and `repositories`, by name: `private`, and what `push_images` says."""
    pulp = Pulp(url, password, patience)
    # The catalog shows a private repository to who may pull from it and from its namespace.
    sees_all = ["containerdistribution_consumer", "containernamespace_consumer"]
    auditor, nightly = (pulp.account(name, sees_all) for name in ["acme+auditor", "acme+nightly"])
    reader = pulp.account("acme+reader", [])
    repositories = {
        name: {"private": False, "tags": {}, "manifests": {}, "configs": {}}
        for name in itertools.islice(names(), REPOSITORIES)
    }
    for name in repositories:
        pulp.push_blob(name, b"{}")
    for name in list(repositories)[:: REPOSITORIES // PRIVATE]:
        pulp.change(name, {"private": True})
        repositories[name]["private"] = True
    # One that the reader may pull from, and does not see.
    may_pull = role("containerdistribution_consumer", users=[reader[0]])
    pulp.call("POST", pulp.distribution("acme/app") + "add_role/", may_pull)
    push_images(pulp, "acme/app", repositories["acme/app"])
    push_many_tags(pulp, "acme/app-many", repositories["acme/app-many"])
    # One that the catalog lists and nothing else knows.
    pulp.change("acme/app_bare", {"repository": None})
    repositories["acme/app_bare"]["tags"] = None
    return {"accounts": {"auditor": auditor, "nightly": nightly, "reader": reader}, "repositories": repositories}


def names():
    """Names that bytes, paths and people order differently."""
    yield from ["acme/app", "acme/app-many", "acme/app_bare", "acme/app.d", "acme/apps", "acme-app/web"]
    yield from ["acme/a/b/c/d/e/f/g", "acme__x/y", "0/1"]
    for number in itertools.count():
        yield f"team{'-_/'[number % 3]}{number % 7}/service{'.-_'[number % 3]}{number}"


def push_images(pulp, repository, held):
    """An image by two tags, and an index of two platforms, an image of which has no tag. Notes in `held` the digests by
    tag, and the bytes of manifests and configurations by digest."""
    platforms = [{"os": "linux", "architecture": "amd64"}, {"os": "linux", "architecture": "arm64", "variant": "v8"}]
    images = [
        pulp.push_image(repository, platform, tags, held)
        for platform, tags in zip(platforms, [["v1", "1.0_Final-RC"], []])
    ]
    children = [{**image, "platform": platform} for image, platform in zip(images, platforms)]
    pulp.push_manifest(repository, INDEX, {"manifests": children}, ["latest"], held)


def push_many_tags(pulp, repository, held):
    platform = {"os": "linux", "architecture": "s390x"}
    pulp.push_image(repository, platform, [f"build-{number}" for number in range(10)], held)


def role(name, **further):
    return {"role": f"container.{name}", **further}


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Pulp:
    """Pulp's administrator: its REST API by Basic credentials, the registry by tokens."""

    def __init__(self, url, password, patience):
        self.url, self.patience = url, patience
        # By repository, and until when it is good.
        self.tokens = {}
        self.basic = "Basic " + base64.b64encode(f"admin:{password}".encode()).decode()

    def send(self, method, target, authorization, body=b"", content_type="application/octet-stream"):
        headers = {"Authorization": authorization, "Content-Type": content_type}
        request = urllib.request.Request(self.url + target, body or None, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=self.patience) as answer:
                return answer.read()
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {target}: {error.code}: {error.read().decode()}") from None

    def call(self, method, path, body=None):
        """The REST API, JSON in and out."""
        body = json.dumps(body).encode() if body is not None else b""
        return json.loads(self.send(method, path, self.basic, body, "application/json"))

    def account(self, username, roles):
        """Makes an account with these roles on everything."""
        user = self.call("POST", "/pulp/api/v3/users/", {"username": username, "password": PASSWORD})
        for name in roles:
            self.call("POST", user["pulp_href"] + "roles/", role(name, content_object=None))
        return [username, PASSWORD]

    def distribution(self, repository):
        """The path of the object that makes a repository visible."""
        query = urllib.parse.urlencode({"base_path": repository})
        (found,) = self.call("GET", f"/pulp/api/v3/distributions/container/container/?{query}")["results"]
        return found["pulp_href"]

    def change(self, repository, values):
        """Changes that object. The task of it is one of those that are done at once, without a worker."""
        task = self.call("PATCH", self.distribution(repository), values)["task"]
        state = self.call("GET", task)["state"]
        assert state == "completed", state

    def push(self, method, repository, target, *body):
        self.send(method, f"/v2/{repository}/{target}", "Bearer " + self.token(repository), *body)

    def token(self, repository):
        """One that may push; the same for half its life."""
        token, until = self.tokens.get(repository, (None, 0))
        if time.monotonic() < until:
            return token
        scope = {"service": urllib.parse.urlsplit(self.url).netloc, "scope": f"repository:{repository}:pull,push"}
        until = time.monotonic()
        answer = self.call("GET", "/token/?" + urllib.parse.urlencode(scope))
        self.tokens[repository] = answer["token"], until + answer["expires_in"] / 2
        return answer["token"]

    def push_blob(self, repository, data):
        """The first push to a repository makes it."""
        self.push("POST", repository, f"blobs/uploads/?digest={digest(data)}", data)
        return {"digest": digest(data), "size": len(data)}

    def push_manifest(self, repository, media_type, fields, tags, held):
        """Gives the manifest's descriptor."""
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **fields}).encode()
        for reference in tags or [digest(data)]:
            self.push("PUT", repository, f"manifests/{reference}", data, media_type)
        held["manifests"][digest(data)] = data.decode()
        held["tags"] |= dict.fromkeys(tags, digest(data))
        return {"mediaType": media_type, "digest": digest(data), "size": len(data)}

    def push_image(self, repository, platform, tags, held):
        """Gives the descriptor of its manifest."""
        data = json.dumps({**platform, "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        config = self.push_blob(repository, data)
        held["configs"][digest(data)] = data.decode()
        layer = self.push_blob(repository, platform["architecture"].encode())
        fields = {"config": {"mediaType": CONFIG, **config}, "layers": [{"mediaType": LAYER, **layer}]}
        return self.push_manifest(repository, IMAGE, fields, tags, held)
