"""A backend: HTTP on 8080 says who it is and how often it was given a POST, echoes after an upgrade to WebSocket, and TCP on 9000 says who it is."""

import base64
import hashlib
import http.server
import os
import socket
import socketserver
import threading
import time

NAME = socket.gethostname()
MAGIC = b'258EAFA5-E914-47DA-95CA-C5AB0DC85B11'  # RFC 6455 1.3
POSTS = []


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers."""

    protocol_version = 'HTTP/1.1'

    def answer(self, text, status=200):
        """One text, with what the request said of the client."""
        body = f'{text}\n'.encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        for name in ('Host', 'X-Real-IP', 'X-Forwarded-For', 'X-Forwarded-Proto', 'Connection'):
            self.send_header('Seen-' + name, self.headers.get(name, ''))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        """Who it is, how many POSTs it was given, an echo, or a slow answer."""
        if self.headers.get('Upgrade') == 'websocket':
            self.echo()
        elif self.path == '/posts':
            self.answer(len(POSTS))
        else:
            if os.path.exists('/run/slow'):
                time.sleep(30)
            self.answer(NAME)

    def do_POST(self):  # pylint: disable=invalid-name
        """Count it; where the file says so, hang up instead of answering."""
        self.rfile.read(int(self.headers.get('Content-Length') or 0))
        POSTS.append(self.path)
        if os.path.exists('/run/hang-up'):
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self.answer(NAME)

    def echo(self):
        """The handshake of WebSocket, then one short masked frame back as it came."""
        key = self.headers['Sec-WebSocket-Key'].encode()
        self.send_response(101)
        self.send_header('Upgrade', 'websocket')
        self.send_header('Connection', 'Upgrade')
        self.send_header('Sec-WebSocket-Accept', base64.b64encode(hashlib.sha1(key + MAGIC).digest()).decode())
        self.end_headers()
        head = self.rfile.read(6)
        data = self.rfile.read(head[1] & 127)
        text = bytes(byte ^ head[2 + place % 4] for place, byte in enumerate(data))
        self.wfile.write(bytes((head[0], len(text))) + text)
        self.close_connection = True

    def log_message(self, *args):  # pylint: disable=arguments-differ
        """Nothing."""


class Line(socketserver.BaseRequestHandler):
    """Who it is, over TCP."""

    def handle(self):
        """One line."""
        self.request.sendall(NAME.encode() + b'\n')


socketserver.TCPServer.allow_reuse_address = True
threading.Thread(target=socketserver.ThreadingTCPServer(('', 9000), Line).serve_forever, daemon=True).start()
http.server.ThreadingHTTPServer(('', 8080), Handler).serve_forever()
