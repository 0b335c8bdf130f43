"""Another server: one page over https that links back to a profile, on every address."""

import http.server
import socket
import ssl

PAGE = b'<!DOCTYPE html><title>Peer</title><a rel="me" href="https://services.example.test/@locks">the same people</a>'
FOLDER = "/etc/ssl/meentwerk/peer.services.example.test"


class Page(http.server.BaseHTTPRequestHandler):
    """Answers every question with the page."""

    def do_GET(self) -> None:
        """Serve the page."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(PAGE)))
        self.end_headers()
        self.wfile.write(PAGE)


class Server(http.server.ThreadingHTTPServer):
    """Listens on IPv6 and, through it, on IPv4."""

    address_family = socket.AF_INET6


context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(f"{FOLDER}/fullchain.pem", f"{FOLDER}/privkey.pem")
server = Server(("::", 443), Page)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
