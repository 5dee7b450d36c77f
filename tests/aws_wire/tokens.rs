//! Tokens, as the API server's webhook sees them.

use jiff::{SignedDuration, Timestamp};
use mngup::domain::ClusterName;

use crate::{
    aws::{AwsServer, Key},
    default_world, prod, session, session_with,
};

/// What the API server sends, over a plain connection.
async fn review(server: &AwsServer, token: &str) -> serde_json::Value {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let asked = serde_json::json!({
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": { "token": token },
    });
    let body = asked.to_string();
    let host = server.webhook_url();
    let host = host.strip_prefix("http://").unwrap().strip_suffix("/token-webhook").unwrap();
    let mut stream = tokio::net::TcpStream::connect(host).await.unwrap();
    let head = format!(
        "POST /token-webhook HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all((head + &body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
}

#[tokio::test]
async fn a_token_opens_the_door_of_its_own_cluster_only() {
    let server = default_world();
    let session = session(&server).await;
    let fresh = session.token(&prod()).token().await.unwrap();
    let left = fresh.expires_at.duration_since(Timestamp::now());
    assert!(left > SignedDuration::from_mins(13) && left <= SignedDuration::from_mins(14), "{left}");
    let status = review(&server, &fresh.token).await["status"].clone();
    assert_eq!(status["authenticated"], true, "{status}");
    assert_eq!(status["user"]["username"], "mngup");
    assert_eq!(status["user"]["groups"][0], "mngup");

    let other = session.token(&ClusterName::new("staging")).token().await.unwrap();
    let status = review(&server, &other.token).await["status"].clone();
    assert_eq!(status["authenticated"], false);
    assert_eq!(status["error"], "the signature is for another cluster or secret");
    assert_eq!(server.token_reviews(), (2, 1));
    assert!(server.calls().is_empty(), "making a token asks nobody");
}

#[tokio::test]
async fn a_wrong_secret_a_stranger_and_plain_nonsense_stay_outside() {
    let server = default_world();
    let wrong = Key { secret: "another".into(), ..Key::of("mngup") };
    for key in [wrong, Key::of("stranger")] {
        let token = session_with(&server, &key).await.unwrap().token(&prod()).token().await.unwrap();
        assert_eq!(review(&server, &token.token).await["status"]["authenticated"], false);
    }
    for nonsense in ["", "k8s-aws-v1.", "k8s-aws-v1.!!!", "eyJhbGciOi"] {
        assert_eq!(review(&server, nonsense).await["status"]["authenticated"], false);
    }
    assert!(!format!("{:?}", session(&server).await.token(&prod())).contains("k8s-aws"));
}
