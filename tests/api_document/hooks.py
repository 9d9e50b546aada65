"""What schemathesis has to know beside the document: who calls, on what there is, and what no document can promise."""

import atexit
import collections
import json
import os

import schemathesis
from hypothesis import strategies as st

import data
from known import is_known

ROLE = os.environ["API_ROLE"]

# JSON Schema counts characters, bcrypt counts bytes: 71 of them at most. PostgreSQL keeps no U+0000, and UTF-8 has no
# surrogates.
letters = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
schemathesis.openapi.format("password", st.text(letters, min_size=8, max_size=17))

# What every operation has answered so far.
answers = collections.defaultdict(collections.Counter)

if ROLE != "nobody":

    @schemathesis.auth(refresh_interval=None)
    class Caller:
        """An administrator with an API key, or a user with a session. A session may end: then there is another one."""

        def get(self, case, context):
            return data.credentials()

        def set(self, case, data, context):
            case.headers = {**(case.headers or {}), **data}


@schemathesis.hook
def before_call(context, case, kwargs):
    """Sends many requests to rows that there are: of those to made-up ones, nearly all would be answered 404."""
    if ROLE != "nobody" and case.meta and case.meta.phase.name.name != "STATEFUL_TESTING":
        data.aim(case)


@schemathesis.hook
def after_call(context, case, response):
    answers[f"{case.method} {case.operation.path}"][str(response.status_code)] += 1
    if response.status_code == 401:
        data.forget_session()


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps a failure, unless it is a good request that was refused for a rule that no document has words for."""
    return not (type(failure).__name__ == "RejectedPositiveData" and is_known(case, response, ROLE))


@atexit.register
def write_answers():
    with open(f"{os.environ['API_ANSWERS']}/{ROLE}.json", "w", encoding="utf-8") as file:
        json.dump(answers, file)
