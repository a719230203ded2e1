use bytes::Bytes;
use fastwebsockets::{FragmentCollector, Frame, OpCode, Payload, handshake};
use http_body_util::Empty;
use hyper::{
    Request,
    header::{CONNECTION, UPGRADE},
    upgrade::Upgraded,
};
use hyper_util::rt::TokioIo;
use std::{future::Future, sync::Arc, time::Instant};
use tokio::net::TcpStream;
use wsbench_rs::*;

type Ws = FragmentCollector<TokioIo<Upgraded>>;

async fn dial(a: &Args, cfg: &Option<Arc<rustls::ClientConfig>>, count: u64) -> Ws {
    let s = TcpStream::connect(a.host()).await.unwrap();
    s.set_nodelay(true).unwrap();
    let full = a.full(count);
    let path = &full[a.url.len()..];
    let req = Request::builder()
        .method("GET")
        .uri(path)
        .header("Host", a.host())
        .header(UPGRADE, "websocket")
        .header(CONNECTION, "upgrade")
        .header("Sec-WebSocket-Key", handshake::generate_key())
        .header("Sec-WebSocket-Version", "13")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let mut ws = match cfg {
        Some(c) => {
            let host = a.host().split(':').next().unwrap().to_string();
            let t = tokio_rustls::TlsConnector::from(c.clone()).connect(host.try_into().unwrap(), s).await.unwrap();
            handshake::client(&SendExec, req, t).await.unwrap().0
        }
        None => handshake::client(&SendExec, req, s).await.unwrap().0,
    };
    ws.set_auto_close(true);
    ws.set_max_message_size(64 << 20);
    FragmentCollector::new(ws)
}

struct SendExec;
impl<F> hyper::rt::Executor<F> for SendExec
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    fn execute(&self, f: F) {
        tokio::spawn(f);
    }
}

async fn finish(mut ws: Ws) {
    let _ = ws.write_frame(Frame::close(1000, b"")).await;
    while let Ok(f) = ws.read_frame().await {
        if f.opcode == OpCode::Close {
            break;
        }
    }
}

async fn go(a: &Args, cfg: &Option<Arc<rustls::ClientConfig>>, count: u64, m: &mut Option<&mut Meter>) {
    let data = a.data();
    if let Some(m) = m {
        m.restart()
    }
    match a.mode.as_str() {
        "recv" => {
            let mut ws = dial(a, cfg, count).await;
            let (mut n, mut bytes) = (0u64, 0u64);
            loop {
                let f = ws.read_frame().await.unwrap();
                match f.opcode {
                    OpCode::Binary | OpCode::Text => {
                        n += 1;
                        bytes += f.payload.len() as u64
                    }
                    OpCode::Close => break,
                    _ => {}
                }
            }
            assert!(n == count && bytes == count * a.size as u64, "{n} {bytes}");
        }
        "send" => {
            let mut ws = dial(a, cfg, count).await;
            for _ in 0..count {
                ws.write_frame(Frame::binary(Payload::Borrowed(&data))).await.unwrap()
            }
            let f = ws.read_frame().await.unwrap();
            check8(&f.payload, count * a.size as u64);
            drop(f);
            finish(ws).await;
        }
        "rtt" => {
            let mut ws = dial(a, cfg, count).await;
            if let Some(m) = m {
                m.restart()
            }
            for _ in 0..count {
                let t = Instant::now();
                ws.write_frame(Frame::binary(Payload::Borrowed(&data))).await.unwrap();
                let f = ws.read_frame().await.unwrap();
                assert!(f.payload.len() == a.size);
                if let Some(m) = m {
                    m.lat.push(t.elapsed().as_nanos() as u32)
                }
            }
            finish(ws).await;
        }
        "dial" => {
            for _ in 0..count {
                finish(dial(a, cfg, count).await).await
            }
        }
        _ => unreachable!(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let a = Args::parse();
    raise_nofile();
    let cfg = a.tls().then(|| a.tls_config());
    if a.mode == "idle" {
        finish(dial(&a, &cfg, 1).await).await;
        let mut m = Meter::new(1);
        let before = status("VmRSS:");
        m.restart();
        let mut v = Vec::new();
        for _ in 0..a.count {
            v.push(dial(&a, &cfg, 1).await)
        }
        for mut ws in v {
            tokio::spawn(async move { while ws.read_frame().await.is_ok() {} });
        }
        for _ in 0..100 {
            tokio::task::yield_now().await
        }
        m.report("fastwebsockets", &a, Some(before));
        std::process::exit(0);
    }
    go(&a, &cfg, a.warm(), &mut None).await;
    let mut m = Meter::new(a.count);
    go(&a, &cfg, a.count, &mut Some(&mut m)).await;
    m.report("fastwebsockets", &a, None);
}
