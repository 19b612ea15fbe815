/** What the benchmark's upstream serves. */
export const benchProto = `syntax = "proto3";

package bench.v1;

import "google/api/annotations.proto";
import "google/api/httpbody.proto";

service Bench {
  rpc Small(Item) returns (Item) {
    option (google.api.http) = {get: "/v1/small/{name}"};
  }
  rpc Echo(Item) returns (Item) {
    option (google.api.http) = {
      post: "/v1/echo"
      body: "*"
    };
  }
  rpc Count(Item) returns (stream Item) {
    option (google.api.http) = {get: "/v1/count/{amount}"};
  }
  rpc Chat(stream Item) returns (stream Item) {
    option (google.api.http) = {
      post: "/v1/chat"
      body: "*"
    };
  }
  rpc Download(Item) returns (stream google.api.HttpBody) {
    option (google.api.http) = {get: "/v1/download/{amount}"};
  }
  rpc Upload(stream google.api.HttpBody) returns (Item) {
    option (google.api.http) = {
      post: "/v1/upload"
      body: "*"
    };
  }
}

message Item {
  string name = 1;
  int64 amount = 2;
  repeated string tags = 3;
  map<string, string> labels = 4;
  repeated Item parts = 5;
  double weight = 6;
  bool available = 7;
}
`;
