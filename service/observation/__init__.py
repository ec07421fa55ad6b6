"""What is seen of the service from outside: counts of requests, the queue in numbers, log lines."""
