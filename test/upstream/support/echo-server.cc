// Echoes whatever is called, by the C++ implementation of gRPC; prints its port. Built by the test that uses it.
#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/grpcpp.h>

#include <iostream>

class Reactor : public grpc::ServerGenericBidiReactor {
 public:
  Reactor(grpc::GenericCallbackServerContext* context) : context_(context) {
    if (context->method() == "/test.Echo/Fail") {
      context->AddTrailingMetadata("x-tail", "t");
      Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "no s\xc3\xbc" "ch thing"));
    } else {
      context->AddInitialMetadata("x-head", "h");
      StartRead(&message_);
    }
  }
  void OnReadDone(bool ok) override {
    if (ok) {
      StartWrite(&message_);
    } else if (!context_->IsCancelled()) {
      Finish(grpc::Status::OK);
    } else {
      Finish(grpc::Status::CANCELLED);
    }
  }
  void OnWriteDone(bool) override { StartRead(&message_); }
  void OnDone() override { delete this; }

 private:
  grpc::GenericCallbackServerContext* context_;
  grpc::ByteBuffer message_;
};

class Echo : public grpc::CallbackGenericService {
  grpc::ServerGenericBidiReactor* CreateReactor(grpc::GenericCallbackServerContext* context) override {
    return new Reactor(context);
  }
};

int main() {
  Echo echo;
  int port = 0;
  grpc::ServerBuilder builder;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterCallbackGenericService(&echo);
  auto server = builder.BuildAndStart();
  std::cout << "port " << port << std::endl;
  server->Wait();
}
