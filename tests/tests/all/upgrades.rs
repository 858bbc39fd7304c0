//! WebSocket through a real Envoy: bytes both ways where the method lists it, not one where it does not.

use std::net::SocketAddr;
use std::time::Duration;

use postern_tests::Result;
use postern_tests::fixture::World;
use postern_tests::gateway::{DEFAULT, EnvoyGateway, Setup};
use postern_tests::wait::PATIENCE;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A text frame with one word, masked with zeros as a client must mask (RFC 6455, section 5.3).
const FRAME: &[u8] = b"\x81\x85\0\0\0\0hello";

async fn open(address: SocketAddr, path: &str, token: &str) -> Result<(TcpStream, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         authorization: Bearer {token}\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(
            tokio::time::timeout(PATIENCE, stream.read_u8())
                .await
                .map_err(late)??,
        );
    }
    Ok((stream, String::from_utf8_lossy(&head).into_owned()))
}

fn late(_: tokio::time::error::Elapsed) -> std::io::Error {
    std::io::ErrorKind::TimedOut.into()
}

#[tokio::test]
async fn an_allowed_web_socket_carries_bytes_both_ways() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let address = gateway.envoy().address(DEFAULT)?;

    let path = "/m42Services/api/orders/1/follow";
    let (mut stream, head) = open(address, path, &world.access_token()?).await?;

    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
    for _ in 0..3 {
        stream.write_all(FRAME).await?;
        let mut echoed = vec![0; FRAME.len()];
        tokio::time::timeout(PATIENCE, stream.read_exact(&mut echoed))
            .await
            .map_err(late)??;
        assert_eq!(echoed, FRAME);
    }
    let [received] = &gateway.echo().received()[..] else {
        panic!("one request");
    };
    assert_eq!(
        received.headers.text("x-postern-person").as_deref(),
        Some("p-external")
    );
    assert!(!received.headers.has("authorization"));
    Ok(())
}

#[tokio::test]
async fn of_a_refused_web_socket_no_byte_reaches_the_upstream() -> Result<()> {
    let world = World::new()?;
    let gateway = EnvoyGateway::start(&Setup::of(&world)?).await?;
    let address = gateway.envoy().address(DEFAULT)?;
    for (path, token, status) in [
        ("/m42Services/api/orders/1", world.access_token()?, 403),
        (
            "/m42Services/api/orders/1/follow",
            world.tokens.external.clone(),
            401,
        ),
        (
            "/m42Services/api/orders/1/follow",
            world.operator_access_token()?,
            403,
        ),
    ] {
        let (mut stream, head) = open(address, path, &token).await?;
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{head}");
        // It may be closed already; what counts is that nobody reads it.
        let _ = stream.write_all(FRAME).await;
        let mut rest = Vec::new();
        let _ =
            tokio::time::timeout(Duration::from_millis(200), stream.read_to_end(&mut rest)).await;
        assert!(!rest.windows(5).any(|window| window == b"hello"));
    }
    assert_eq!(gateway.echo().connections(), 0);
    Ok(())
}
