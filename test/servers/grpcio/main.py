"""A client of grpcio (the C core) over a list of addresses, which knows nothing of the plugin. Calls at a constant rate until its
standard input ends, then prints what came of it as JSON.

    main.py unary 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Say 0a0178 100
    main.py stream 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Repeat 0a0178 20
"""

import asyncio
import json
import sys
import time

import grpc

# Longest wait for the end of a call, in seconds.
PATIENCE = 20


async def main(kind, addresses, method, message, per_second):
    """What is sent is written as hexadecimal digits; messages are the bytes they are."""
    request = bytes.fromhex(message)
    counted = {"sent": 0, "ok": 0, "failed": []}
    pending = set()
    async with grpc.aio.insecure_channel(f"ipv4:{addresses}", [("grpc.lb_policy_name", "round_robin")]) as channel:
        unary, stream = channel.unary_unary(method), channel.unary_stream(method)

        async def one():
            try:
                if kind == "unary":
                    await unary(request, timeout=PATIENCE)
                else:
                    async for _ in stream(request, timeout=PATIENCE):
                        pass
                counted["ok"] += 1
            except grpc.aio.AioRpcError as error:
                reason = f"{error.code().name} {error.details()}"
                counted["failed"].append({"at": time.time() * 1000, "reason": reason})

        ended = asyncio.ensure_future(asyncio.to_thread(sys.stdin.read))
        begun = time.monotonic()
        while not ended.done():
            while counted["sent"] < int((time.monotonic() - begun) * float(per_second)):
                counted["sent"] += 1
                task = asyncio.ensure_future(one())
                pending.add(task)
                task.add_done_callback(pending.discard)
            await asyncio.sleep(0.002)
        await asyncio.gather(*pending)
    print(json.dumps(counted))


asyncio.run(main(*sys.argv[1:]))
