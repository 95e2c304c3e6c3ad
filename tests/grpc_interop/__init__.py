"""gRPC through the proxy, with grpcio on both ends."""
