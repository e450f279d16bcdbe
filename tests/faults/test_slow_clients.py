"""Clients that stop in the middle of a request give their threads back."""

import socket

import httpx

from tests.service import Service

# More than the threads of the one web process.
CLIENTS = 12


def test_half_sent_requests_do_not_stop_the_service(embedded_service: Service) -> None:
    address = ("127.0.0.1", embedded_service.port)
    clients = [socket.create_connection(address) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.sendall(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nX: ")
        answer = httpx.get(f"{embedded_service.url}/health/live", timeout=30)
        assert answer.status_code == 200
    finally:
        for client in clients:
            client.close()


def test_connections_without_a_request_hold_no_thread(embedded_service: Service) -> None:
    """So many that they would keep every thread for a minute and a half, five seconds each."""
    address = ("127.0.0.1", embedded_service.port)
    clients = [socket.create_connection(address) for _ in range(12 * CLIENTS)]
    try:
        answer = httpx.get(f"{embedded_service.url}/health/live", timeout=30)
        assert answer.status_code == 200
    finally:
        for client in clients:
            client.close()


def test_half_sent_bodies_do_not_stop_the_service(embedded_service: Service) -> None:
    address = ("127.0.0.1", embedded_service.port)
    head = (
        b"POST /api/v1/auth/login HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
    )
    clients = [socket.create_connection(address, timeout=30) for _ in range(CLIENTS)]
    try:
        for client in clients:
            client.sendall(head)
        assert httpx.get(f"{embedded_service.url}/health/live", timeout=30).status_code == 200
        first_line = clients[0].recv(65_536).split(b"\r\n")[0]
        assert first_line == b"HTTP/1.1 400 Bad Request"
    finally:
        for client in clients:
            client.close()
