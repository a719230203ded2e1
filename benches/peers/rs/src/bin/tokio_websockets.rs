use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use std::time::Instant;
use tokio::net::TcpStream;
use tokio_websockets::{ClientBuilder, Connector, MaybeTlsStream, Message, WebSocketStream};
use wsbench_rs::*;

type Ws = WebSocketStream<MaybeTlsStream<TcpStream>>;

async fn dial(a: &Args, c: &Connector, count: u64) -> Ws {
    let s = TcpStream::connect(a.host()).await.unwrap();
    s.set_nodelay(true).unwrap();
    let host = a.host().split(':').next().unwrap();
    let s = c.wrap(host, s).await.unwrap();
    ClientBuilder::new().uri(&a.full(count)).unwrap().connect_on(s).await.unwrap().0
}

async fn finish(mut ws: Ws) {
    let _ = ws.close().await;
    while let Some(Ok(_)) = ws.next().await {}
}

async fn go(a: &Args, c: &Connector, count: u64, m: &mut Option<&mut Meter>) {
    let data = Bytes::from(a.data());
    if let Some(m) = m {
        m.restart()
    }
    match a.mode.as_str() {
        "recv" => {
            let mut ws = dial(a, c, count).await;
            let (mut n, mut bytes) = (0u64, 0u64);
            while let Some(Ok(msg)) = ws.next().await {
                if msg.is_binary() || msg.is_text() {
                    n += 1;
                    bytes += msg.as_payload().len() as u64
                }
            }
            assert!(n == count && bytes == count * a.size as u64, "{n} {bytes}");
        }
        "send" => {
            let mut ws = dial(a, c, count).await;
            for _ in 0..count {
                if a.batch {
                    ws.feed(Message::binary(data.clone())).await.unwrap()
                } else {
                    ws.send(Message::binary(data.clone())).await.unwrap()
                }
            }
            ws.flush().await.unwrap();
            let r = ws.next().await.unwrap().unwrap();
            check8(r.as_payload(), count * a.size as u64);
            finish(ws).await;
        }
        "rtt" => {
            let mut ws = dial(a, c, count).await;
            if let Some(m) = m {
                m.restart()
            }
            for _ in 0..count {
                let t = Instant::now();
                ws.send(Message::binary(data.clone())).await.unwrap();
                let r = ws.next().await.unwrap().unwrap();
                assert!(r.as_payload().len() == a.size);
                if let Some(m) = m {
                    m.lat.push(t.elapsed().as_nanos() as u32)
                }
            }
            finish(ws).await;
        }
        "dial" => {
            for _ in 0..count {
                finish(dial(a, c, count).await).await
            }
        }
        _ => unreachable!(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let a = Args::parse();
    raise_nofile();
    let c = if a.tls() { Connector::Rustls(a.tls_config().into()) } else { Connector::Plain };
    let name = if a.batch { "tokio-websockets-batch" } else { "tokio-websockets" };
    if a.mode == "idle" {
        finish(dial(&a, &c, 1).await).await;
        let mut m = Meter::new(1);
        let before = status("VmRSS:");
        m.restart();
        let mut v = Vec::new();
        for _ in 0..a.count {
            v.push(dial(&a, &c, 1).await)
        }
        // every connection waits for messages in its own task
        for mut ws in v {
            tokio::spawn(async move { while let Some(Ok(_)) = ws.next().await {} });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await
        }
        m.report(name, &a, Some(before));
        std::process::exit(0);
    }
    go(&a, &c, a.warm(), &mut None).await;
    let mut m = Meter::new(a.count);
    go(&a, &c, a.count, &mut Some(&mut m)).await;
    m.report(name, &a, None);
}
