"""Publishes into a topic with nothing but Python's own library: NATS is text over a socket. See docs/wire-format.md.

Usage: python3 plain_publisher.py SERVER TOPIC [GIVE_UP_AFTER_MS] < events
SERVER is nats://[USER:PASSWORD@]HOST:PORT, without TLS. Each line of the input is one event as JSON:
{"aggregateId":"order-7","type":"OrderPlaced","payload":{}}
The first event that is refused, or has no answer, ends it with an error; no later event is sent.
"""
import base64
import json
import re
import socket
import sys
import time
import uuid
from datetime import datetime, timezone
from urllib.parse import unquote, urlsplit

ANSWER_WITHIN_S = 2.0
RESEND_AFTER_S = 0.25
NO_RESPONDERS = {"error": {"code": 503}}


# #region token
def token_of(aggregate_id):
    """The id itself where it is one plain subject token, else `~` and its base64url."""
    try:
        data = aggregate_id.encode("utf-8")
    except UnicodeEncodeError:
        # A lone surrogate has no UTF-8 form: two different ids would get one token.
        raise ValueError("expected an aggregate id of well-formed text, found a lone surrogate; nothing was sent")
    if not 1 <= len(data) <= 256:
        raise ValueError(f"expected an aggregate id of 1 to 256 UTF-8 bytes, found {len(data)}; nothing was sent")
    if re.fullmatch(r"[A-Za-z0-9_-]{1,128}", aggregate_id, re.ASCII):
        return aggregate_id
    return "~" + base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def subject_of(topic, token):
    """FNV-1a, 32 bits, over the token's bytes; modulo 256 as eight subject tokens, its highest bit first."""
    fnv = 0x811C9DC5
    for byte in token.encode("ascii"):
        fnv = (fnv ^ byte) * 0x01000193 & 0xFFFFFFFF
    return ".".join([topic, *format(fnv % 256, "08b"), token])


# #endregion


class Connection:
    """One connection, for one request at a time. Every failure of it is an OSError."""

    def __init__(self, server):
        url = urlsplit(server if "://" in server else f"nats://{server}")
        self.socket = socket.create_connection((url.hostname, url.port or 4222), timeout=ANSWER_WITHIN_S)
        self.file = self.socket.makefile("rb")
        self.inbox = f"_INBOX.{uuid.uuid4().hex}"
        self.requests = 0
        self.max_payload = json.loads(self.line()[len("INFO "):])["max_payload"]
        options = {"verbose": False, "pedantic": False, "lang": "python", "version": "1", "protocol": 1}
        options |= {"headers": True, "no_responders": True}
        if url.username is not None:
            options |= {"user": unquote(url.username), "pass": unquote(url.password or "")}
        self.write(f"CONNECT {json.dumps(options)}\r\nSUB {self.inbox}.* 1\r\nPING\r\n".encode())
        while self.line() != "PONG":
            pass

    def close(self):
        self.file.close()
        self.socket.close()

    def write(self, data):
        self.socket.sendall(data)

    def line(self):
        line = self.file.readline().decode()
        if not line.endswith("\r\n"):
            raise ConnectionError("the server has closed the connection")
        if line.startswith("-ERR"):
            raise ConnectionError(f"the server says {line.strip()}")
        if line.startswith("PING"):
            self.write(b"PONG\r\n")
        return line[:-2]

    # #region request
    def request(self, subject, headers, body):
        """What the server says to one copy of an event."""
        self.requests += 1
        reply = f"{self.inbox}.{self.requests}"
        head = "NATS/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n"
        sizes = f"{len(head)} {len(head) + len(body)}"
        self.write(f"HPUB {subject} {reply} {sizes}\r\n{head}".encode() + body + b"\r\n")
        while True:
            verb, *arguments = self.line().split(" ")
            if verb not in ("MSG", "HMSG"):
                continue
            data = self.file.read(int(arguments[-1]) + len("\r\n"))[: int(arguments[-1])]
            if arguments[0] != reply:
                continue  # the answer to an earlier copy
            # Headers without a body: no subscriber takes this subject now.
            return json.loads(data) if verb == "MSG" else NO_RESPONDERS

    # #endregion


def is_passing(answer):
    """Whether an answer decides nothing yet: no leader, or an earlier copy is still under way."""
    error = answer.get("error")
    if error is None:
        return not answer.get("seq", 0) > 0
    return error.get("code") == 503 or error.get("err_code") == 10158


class Publisher:
    def __init__(self, server, topic, give_up_after_ms):
        self.server, self.topic, self.give_up_after_ms = server, topic, give_up_after_ms
        self.connection = None

    def answer_to(self, subject, headers, body):
        """None if no answer came: the connection is then made again for the next copy."""
        try:
            if self.connection is None:
                self.connection = Connection(self.server)
            if len(body) > self.connection.max_payload:
                raise ValueError(f"expected at most {self.connection.max_payload} bytes, found {len(body)}")
            return self.connection.request(subject, headers, body)
        except OSError:
            if self.connection is not None:
                self.connection.close()
            self.connection = None
            return None

    # #region store
    def store(self, subject, headers, body):
        """Sends an event until its answer is there. Every copy has the same Nats-Msg-Id, so the stream keeps one."""
        give_up_at = time.monotonic() + self.give_up_after_ms / 1000
        while True:
            answer = self.answer_to(subject, headers, body)
            if answer is not None and not is_passing(answer):
                if "error" in answer:
                    raise ValueError(f"not stored: {answer['error'].get('description')}")
                return {"sequence": answer["seq"], "duplicate": answer.get("duplicate", False)}
            if time.monotonic() >= give_up_at:
                raise TimeoutError(
                    f"expected an answer to {headers['Nats-Msg-Id']} within {self.give_up_after_ms} ms, found none; "
                    "it is stored or not: send it again with the same eventId, before any later event of its aggregate"
                )
            time.sleep(RESEND_AFTER_S)

    def publish(self, aggregateId, type, payload, eventId=None):
        """Stores one event. Call it for the next event of an aggregate when this call has returned, never before."""
        event_id = eventId or str(uuid.uuid4())
        token = token_of(aggregateId)
        envelope = {
            "event_id": event_id,
            "aggregate_id": aggregateId,
            "event_type": type,
            "event_version": 1,
            "timestamp": datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "payload": payload,
        }
        body = json.dumps(envelope, ensure_ascii=False).encode()
        return self.store(subject_of(self.topic, token), {"Nats-Msg-Id": f"{token}:{event_id}"}, body)

    # #endregion


def main():
    server, topic, *rest = sys.argv[1:]
    # Stay well below the stream's duplicate window, 120 s by default: after it a copy is stored as a second event.
    publisher = Publisher(server, topic, int(rest[0]) if rest else 60_000)
    for line in sys.stdin.buffer:
        try:
            print(json.dumps(publisher.publish(**json.loads(line))), flush=True)
        except (ValueError, TimeoutError) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
