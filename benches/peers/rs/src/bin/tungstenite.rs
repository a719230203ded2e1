use bytes::Bytes;
use std::{net::TcpStream, sync::Arc, time::Instant};
use tungstenite::{Connector, Message, WebSocket, client_tls_with_config, stream::MaybeTlsStream};
use wsbench_rs::*;

type Ws = WebSocket<MaybeTlsStream<TcpStream>>;

fn dial(a: &Args, cfg: &Option<Arc<rustls::ClientConfig>>, count: u64) -> Ws {
    let s = TcpStream::connect(a.host()).unwrap();
    s.set_nodelay(true).unwrap();
    let c = match cfg {
        Some(c) => Connector::Rustls(c.clone()),
        None => Connector::Plain,
    };
    client_tls_with_config(a.full(count), s, None, Some(c)).unwrap().0
}

fn finish(mut ws: Ws) {
    let _ = ws.close(None);
    while ws.read().is_ok() {}
}

fn go(a: &Args, cfg: &Option<Arc<rustls::ClientConfig>>, count: u64, m: &mut Option<&mut Meter>) {
    let data = Bytes::from(a.data());
    if let Some(m) = m {
        m.restart()
    }
    match a.mode.as_str() {
        "recv" => {
            let mut ws = dial(a, cfg, count);
            let (mut n, mut bytes) = (0u64, 0u64);
            loop {
                match ws.read().unwrap() {
                    Message::Binary(b) => {
                        n += 1;
                        bytes += b.len() as u64
                    }
                    Message::Text(t) => {
                        n += 1;
                        bytes += t.len() as u64
                    }
                    Message::Close(_) => break,
                    _ => {}
                }
            }
            assert!(n == count && bytes == count * a.size as u64);
            while ws.read().is_ok() {}
        }
        "send" => {
            let mut ws = dial(a, cfg, count);
            for _ in 0..count {
                if a.batch {
                    ws.write(Message::Binary(data.clone())).unwrap()
                } else {
                    ws.send(Message::Binary(data.clone())).unwrap()
                }
            }
            ws.flush().unwrap();
            check8(&ws.read().unwrap().into_data(), count * a.size as u64);
            finish(ws);
        }
        "rtt" => {
            let mut ws = dial(a, cfg, count);
            if let Some(m) = m {
                m.restart()
            }
            for _ in 0..count {
                let t = Instant::now();
                ws.send(Message::Binary(data.clone())).unwrap();
                let r = ws.read().unwrap();
                assert!(r.len() == a.size);
                if let Some(m) = m {
                    m.lat.push(t.elapsed().as_nanos() as u32)
                }
            }
            finish(ws);
        }
        "dial" => {
            for _ in 0..count {
                finish(dial(a, cfg, count))
            }
        }
        _ => unreachable!(),
    }
}

fn main() {
    let a = Args::parse();
    raise_nofile();
    let cfg = a.tls().then(|| a.tls_config());
    let name = if a.batch { "tungstenite-batch" } else { "tungstenite" };
    if a.mode == "idle" {
        finish(dial(&a, &cfg, 1));
        let mut m = Meter::new(1);
        let before = status("VmRSS:");
        m.restart();
        let _v: Vec<Ws> = (0..a.count).map(|_| dial(&a, &cfg, 1)).collect();
        m.report(name, &a, Some(before));
        std::process::exit(0);
    }
    go(&a, &cfg, a.warm(), &mut None);
    let mut m = Meter::new(a.count);
    go(&a, &cfg, a.count, &mut Some(&mut m));
    m.report(name, &a, None);
}
