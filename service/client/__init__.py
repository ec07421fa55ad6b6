"""The Python client of the service; it needs httpx (and Rich, where progress is shown) and nothing else.

client = Client("http://127.0.0.1:8000")
client.register_task("odd_or_even", "builtin://digits", labels={"groups": [[1, 3, 5, 7, 9]], "rest": True}).wait()
answer = client.recommend("builtin://digits", labels={"groups": [[2, 3, 5, 7]], "rest": True}).wait(progress=True)
print(answer.verdict, answer.closest.name, answer.test.accuracy)  # typed; answer.json is what the service sent
network = answer.load_network()  # where torch is installed; built from data, no code of the service is run
"""

from service.client.client import Client

__all__ = ["Client"]
