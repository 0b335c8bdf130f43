from meentwerk_sandbox import jobs, streaming, tasks, worker


def test_every_job_has_a_queue_and_code() -> None:
    assert set(jobs.ROUTES) == set(tasks.TASKS)
    assert set(jobs.ROUTES.values()) <= set(jobs.QUEUES)


def test_a_job_has_sidekiqs_shape() -> None:
    job = jobs.new("DistributionWorker", [1])
    assert {"class", "args", "queue", "jid", "retry", "created_at", "enqueued_at"} == set(job)
    assert len(job["jid"]) == 24
    assert job["enqueued_at"] > 10**12  # milliseconds


def test_retries_wait_longer_each_time() -> None:
    assert [worker.retry_delay(count) for count in (0, 1, 2)] == [15, 16, 31]


def test_channels_are_named_as_upstream_names_them() -> None:
    assert streaming.channels("user", 7, "") == ["timeline:7", "timeline:7:notifications"]
    assert streaming.channels("public/local", 7, "") == ["timeline:public:local"]
    assert streaming.channels("hashtag/local", 7, "x") == ["timeline:hashtag:x:local"]
