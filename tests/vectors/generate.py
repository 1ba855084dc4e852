#!/usr/bin/env python3
"""Signatures by implementations that are not ours, over bodies that are not usual.

    python3 tests/vectors/generate.py > tests/vectors/signatures.json

`--by python` (the default) signs with Python's hmac, `--by node` with Node's crypto, `--by openssl` with the openssl
command. All inputs are pinned below, so each of the three prints the committed file byte for byte; a test runs those
that are installed (`signatures_are_made_again`). Nothing here needs a package.
"""

import base64
import hashlib
import hmac
import json
import subprocess
import sys

# The instant that fynapse's shape signs. The test sets its clock to it.
SIGNED_AT = 1795339800

# (name, the piece, how often it is repeated)
BODIES = [
    ("empty", b"", 1),
    ("one byte", b"{", 1),
    ("NUL bytes", b'{"a":"\x00"}\x00\x00', 1),
    ("invalid UTF-8", b'{"a":"\xff\xfe\x80\xc3("}', 1),
    ("CRLF line ends", b'{\r\n  "a": 1\r\n}\r\n', 1),
    ("a byte order mark", b'\xef\xbb\xbf{"a":1}', 1),
    ("emoji and other planes", '{"a":"\U0001f9fe\U0001f1e9\U0001f1ea \u202e"}'.encode(), 1),
    ("duplicate keys", b'{"event_id":"first","event_id":"second"}', 1),
    ("numbers no float keeps", b'{"amount":1.10,"id":12345678901234567890.00100}', 1),
    ("a full block of the hash", b"a" * 64, 1),
    ("one byte more than a block", b"a" * 65, 1),
    ("a million times the letter a", b"a", 1_000_000),
]

# (encoding of the text, the text in the secret store, the key it stands for)
UTF8 = "a-shared-secret-with-\u00fcml\u00e4uts"
KEY = bytes(range(7, 39))
LONG_KEY = bytes(range(0, 200))
SECRETS = [
    ("utf8", UTF8, UTF8.encode()),
    ("hex", KEY.hex().upper(), KEY),
    ("base64", base64.b64encode(LONG_KEY).decode(), LONG_KEY),
]


def by_python(pairs):
    return [hmac.new(key, message, hashlib.sha256).digest() for key, message in pairs]


def by_node(pairs):
    script = (
        "const crypto = require('crypto'); const chunks = [];"
        "process.stdin.on('data', (chunk) => chunks.push(chunk)).on('end', () => {"
        "  for (const line of Buffer.concat(chunks).toString().trim().split('\\n')) {"
        "    const [key, message] = line.split(' ').map((hex) => Buffer.from(hex, 'hex'));"
        "    console.log(crypto.createHmac('sha256', key).update(message).digest('hex'));"
        "  }"
        "});"
    )
    lines = "\n".join(f"{key.hex()} {message.hex()}" for key, message in pairs)
    ran = subprocess.run(["node", "-e", script], input=lines, text=True, capture_output=True, check=True, timeout=120)
    return [bytes.fromhex(tag) for tag in ran.stdout.split()]


def by_openssl(pairs):
    command = ["openssl", "dgst", "-sha256", "-binary", "-mac", "HMAC", "-macopt"]
    run = lambda key, message: subprocess.run(
        [*command, f"hexkey:{key.hex()}"], input=message, capture_output=True, check=True, timeout=60
    )
    return [run(key, message).stdout for key, message in pairs]


SHAPES = {
    # provider, how the tag is written, what is signed, what the header says
    "fynapse": ("hex", lambda body: f"{SIGNED_AT}.".encode() + body, lambda tag: f"t={SIGNED_AT},v1={tag.hex()}"),
    "runpayments": ("hex", lambda body: body, lambda tag: f"sha256={tag.hex()}"),
    "runpayments in base64": (
        "base64",
        lambda body: body,
        lambda tag: f"sha256={base64.b64encode(tag).decode()}",
    ),
}


def cases(sign):
    wanted = [
        (name, piece, times, secret, shape) for name, piece, times in BODIES for secret in SECRETS for shape in SHAPES
    ]
    pairs = [(secret[2], SHAPES[shape][1](piece * times)) for _, piece, times, secret, shape in wanted]
    for (name, piece, times, (encoding, text, _), shape), tag in zip(wanted, sign(pairs), strict=True):
        yield {
            "about": f"{name}, {encoding} secret, {shape}",
            "provider": shape.split()[0],
            "tag_encoding": SHAPES[shape][0],
            "secret_encoding": encoding,
            "secret": text,
            "body_hex": piece.hex(),
            "times": times,
            "header": SHAPES[shape][2](tag),
        }


def main():
    signers = {"python": by_python, "node": by_node, "openssl": by_openssl}
    arguments = sys.argv[1:]
    if arguments and (len(arguments) != 2 or arguments[0] != "--by" or arguments[1] not in signers):
        sys.exit("usage: generate.py [--by python|node|openssl]")
    sign = signers[arguments[1] if arguments else "python"]
    lines = ",\n".join("    " + json.dumps(case) for case in cases(sign))
    print(f'{{\n  "made_by": "tests/vectors/generate.py",\n  "signed_at": {SIGNED_AT},\n  "cases": [\n{lines}\n  ]\n}}')


if __name__ == "__main__":
    main()
