# Echoes whatever is called, by the Python implementation of gRPC; prints its port.
from concurrent import futures
import time

import grpc


def head(context):
    context.send_initial_metadata((("x-head", "h"),))


def unary(request, context):
    head(context)
    return request


def fail(request, context):
    context.set_trailing_metadata((("x-tail", "t"),))
    context.abort(grpc.StatusCode.NOT_FOUND, "no süch thing")


def server_stream(request, context):
    head(context)
    yield request


def bidi(requests, context):
    head(context)
    for request in requests:
        yield request


handlers = {
    "Unary": grpc.unary_unary_rpc_method_handler(unary),
    "Fail": grpc.unary_unary_rpc_method_handler(fail),
    "Server": grpc.unary_stream_rpc_method_handler(server_stream),
    "Bidi": grpc.stream_stream_rpc_method_handler(bidi),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=16))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Echo", handlers),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print("port", port, flush=True)
while True:
    time.sleep(3600)
