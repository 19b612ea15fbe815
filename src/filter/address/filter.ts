import { Code, type Filter, guard, RpcError } from "#rpc";

/** Lets calls pass by the address of their client, which is who trusted proxies say it is. */
export function addressFilter(admits: (address: string) => boolean): Filter {
  return guard(({ context }) => {
    if (!admits(context.peer.address))
      throw new RpcError(Code.PERMISSION_DENIED, "calls from this address are not taken", {
        reason: "address_denied",
      });
  });
}
