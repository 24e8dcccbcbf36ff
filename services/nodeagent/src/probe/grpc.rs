//! gRPC probes: `grpc.health.v1.Health/Check` must answer SERVING.

use prost::Message;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Endpoint;

#[derive(Clone, PartialEq, Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

const SERVING: i32 = 1;

pub(crate) async fn grpc(host: &str, port: u16, service: &str) -> Result<(), String> {
    let failed = |why: &dyn std::fmt::Display| format!("error: {why}");
    let endpoint = Endpoint::from_shared(format!("http://{host}:{port}")).map_err(|why| failed(&why))?;
    let channel = endpoint.connect().await.map_err(|why| failed(&why))?;
    let mut client = Grpc::new(channel);
    client.ready().await.map_err(|why| failed(&why))?;
    let codec = tonic_prost::ProstCodec::<HealthCheckRequest, HealthCheckResponse>::default();
    let request = tonic::Request::new(HealthCheckRequest { service: service.to_owned() });
    let path = PathAndQuery::from_static("/grpc.health.v1.Health/Check");
    let answer = client.unary(request, path, codec).await.map_err(|status| failed(&status.message()))?;
    match answer.into_inner().status {
        SERVING => Ok(()),
        other => Err(format!("service unhealthy (responded with {other})")),
    }
}
