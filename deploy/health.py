#!/usr/bin/env python3
"""Whether the service of this container answers: `health http://127.0.0.1:3000/livez` or `health tls://crypto:50051`.

The second makes a TLS 1.3 handshake and checks the certificate that it is shown. It has no certificate of its own, so
that is as far as it can go: who calls crypto must be the backend.
"""

import http.client
import os
import socket
import ssl
import sys
from urllib.parse import urlsplit

url = urlsplit(sys.argv[1])
if url.scheme == "tls":
    context = ssl.create_default_context(cafile=os.environ["CRYPTO_TLS_CA_PATH"])
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", url.port), timeout=3) as raw:
        context.wrap_socket(raw, server_hostname=url.hostname).close()
    sys.exit(0)
connection = http.client.HTTPConnection(url.hostname or "", url.port, timeout=5)
connection.request("GET", url.path)
sys.exit(connection.getresponse().status != http.client.OK)
