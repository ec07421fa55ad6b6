"""The Python client of the service; it needs only httpx and pydantic (and Rich, to show progress).

client = Client("http://127.0.0.1:8000")
client.register_task("odd_or_even", "builtin://digits", labels={"groups": [[1, 3, 5, 7, 9]], "rest": True}).wait()
answer = client.recommend("builtin://digits", labels={"groups": [[2, 3, 5, 7]], "rest": True}).wait(progress=True)
print(answer.verdict, answer.closest.name, answer.test.accuracy)  # typed; answer.json is the service's document
network = answer.load_network()  # needs torch; built from data, without running code of the service
"""

from service.client.client import Client

__all__ = ["Client"]
