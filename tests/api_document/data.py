"""Rows that there are, for requests to be about; made where there are none."""

import functools
import itertools
import os
import time
import uuid

import requests

ROLE = os.environ["API_ROLE"]
URL = os.environ.get("API_URL", "")
LOGIN = {"email": os.environ.get("API_EMAIL", ""), "password": os.environ.get("API_PASSWORD", "")}
# How long a list of rows is good enough.
SECONDS = 0.5

count = itertools.count()
session = {}
known = {}
used_keys = set()


def log_in():
    return requests.post(f"{URL}/api/auth/login", json=LOGIN, timeout=10).json()


def credentials():
    if ROLE == "admin":
        return {"X-API-Key": os.environ["API_KEY"]}
    if not session:
        session.update(log_in())
    return {"Authorization": f"Bearer {session['access_token']}"}


def forget_session():
    session.clear()


def call(method, path, body=None):
    return requests.request(method, URL + path, json=body, headers=credentials(), timeout=10)


@functools.cache
def me():
    return call("GET", "/api/auth/me").json()["id"]


def make(collection):
    """Makes a row of a collection, if the caller may."""
    name = uuid.uuid4().hex
    if collection == "sessions":
        return log_in()
    bodies = {
        "teams": lambda: {"name": name, "slug": name},
        "users": lambda: {"email": f"{name}@example.org", "password": name},
        "settings": lambda: {"key": name, "value": 1},
        "api-keys": lambda: {"name": name},
        "notifications": lambda: {"user_id": me(), "type": "test.made", "title": name},
        "team-members": lambda: {"team_id": an_id("teams"), "user_id": an_id("users")},
    }
    # What is recorded, nobody makes.
    return call("POST", f"/api/{collection}", bodies[collection]()) if collection in bodies else None


def ids(collection):
    """The ids of rows of a collection, or of none."""
    since, found = known.get(collection, (0, []))
    if time.monotonic() - since > SECONDS:
        reply = call("GET", f"/api/{collection}?limit=20&fields=id")
        found = [row["id"] for row in reply.json()["data"]] if reply.status_code == 200 else []
        known[collection] = (time.monotonic(), found)
        if len(found) < 3:
            make(collection)
    return found


def an_id(collection):
    """The id of some row, or a made-up one."""
    found = ids(collection)
    return found[next(count) % len(found)] if found else str(uuid.uuid4())


def is_id(value):
    try:
        return isinstance(value, str) and str(uuid.UUID(value)) == value.lower()
    except ValueError:
        return False


def aim(case):
    """Puts the ids of rows that there are into three requests of four."""
    if next(count) % 4 == 0:
        return
    collection = case.operation.path.removeprefix("/api/").split("/")[0]
    if is_id((case.path_parameters or {}).get("id")):
        # Most keys have ended soon: others set when they do. Only one that goes on is rotated.
        is_rotation = case.operation.path.endswith("/rotate")
        case.path_parameters["id"] = make(collection).json()["id"] if is_rotation else an_id(collection)
    body = case.body if isinstance(case.body, dict) else {}
    for name, others in (("team_id", "teams"), ("user_id", "users")):
        if is_id(body.get(name)):
            body[name] = an_id(others)
    if case.operation.path == "/api/database/query" and isinstance(body.get("sql"), str):
        body["sql"] = "SELECT email, metadata FROM identity.users LIMIT 3"
    # The right words, for doors that would not open to others.
    if case.operation.path == "/api/auth/login" and set(body) == {"email", "password"}:
        body.update(LOGIN)
    if case.operation.path == "/api/auth/refresh" and isinstance(body.get("refresh_token"), str):
        body["refresh_token"] = log_in()["refresh_token"]
    # schemathesis has few names for requests: one that was used is tried often enough.
    key = (case.headers or {}).get("Idempotency-Key")
    if key in used_keys:
        case.headers["Idempotency-Key"] = uuid.uuid4().hex
    elif key:
        used_keys.add(key)
