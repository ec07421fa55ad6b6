"""`ldnas recommend`: requests an architecture."""

import os
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from service.cli.commands import completion, options


def recommend(
    dataset: options.Dataset,
    group: options.Groups = None,
    rest: options.Rest = False,
    balance: options.Balance = False,
    data_format: options.Format = None,
    image_column: options.ImageColumn = None,
    label_column: options.LabelColumn = None,
    split_column: options.SplitColumn = None,
    group_column: options.GroupColumn = None,
    value_range: options.ValueRange = None,
    name: Annotated[str | None, typer.Option(help="Name of the recommendation.")] = None,
    network: options.Network = None,
    epsilon: options.Epsilon = None,
    repetitions: options.Repetitions = None,
    require_approximation: Annotated[
        bool | None, typer.Option(help=options.help_of("require_approximation"), show_default=False)
    ] = None,
    measure: options.Measure = None,
    baseline: Annotated[
        list[str] | None,
        typer.Option(
            help="A baseline to compare with: its name or its id; default: all.",
            autocompletion=completion.of_baselines,
        ),
    ] = None,
    image_size: options.ImageSize = None,
    objective: options.Objective = None,
    seconds: Annotated[
        float | None,
        typer.Option(help="Budget: seconds of the whole job; default: the service's, 180 if it has no other."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help=options.help_of("budget.iterations"))] = None,
    max_parameters: Annotated[int | None, typer.Option(help=options.help_of("constraints.max_parameters"))] = None,
    max_macs: Annotated[int | None, typer.Option(help=options.help_of("constraints.max_macs"))] = None,
    max_latency_ms: Annotated[float | None, typer.Option(help=options.help_of("constraints.max_latency_ms"))] = None,
    strategy: Annotated[
        str | None,
        typer.Option(
            help="race (the default: whole networks of several kinds, within seconds), fuse (the default with a "
            "setting that only searches take), random, evolution, enas, darts, pc_darts, …",
            autocompletion=completion.of_strategies,
        ),
    ] = None,
    candidate: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KIND",
            help="A kind of networks in a race: cell, plain (ResNet-18, MobileNetV3-small) or pretrained "
            "(EfficientNet-Lite0 and that of --pretrained); repeat for each kind; default: all.",
            autocompletion=completion.of_kinds,
        ),
    ] = None,
    pretrained: Annotated[
        str | None,
        typer.Option(
            metavar="ARCHITECTURE=WEIGHTS",
            help="One more pretrained network in a race: its name in timm, or torchvision/ and its name there, and its "
            ".safetensors file (dataset://NAME or https://…).",
        ),
    ] = None,
    candidates: Annotated[int | None, typer.Option(help=options.help_of("search.candidates"))] = None,
    rounds: Annotated[int | None, typer.Option(help=options.help_of("search.rounds"))] = None,
    final_seeds: Annotated[int | None, typer.Option(help=options.help_of("final.seeds"))] = None,
    warm_start: Annotated[bool | None, typer.Option("--warm-start", help=options.help_of("final.warm_start"))] = None,
    k: Annotated[int | None, typer.Option("--k", help=options.help_of("search.k"))] = None,
    space: Annotated[
        str | None,
        typer.Option(
            help="Cells that are searched: known (scored ones and neighbours; for race alone, and its default), "
            "primitives (of the closest task's best cells; else the default) or full.",
        ),
    ] = None,
    control: Annotated[bool | None, typer.Option(help=options.help_of("control"), show_default=False)] = None,
    seed: options.Seed = None,
    priority: Annotated[int | None, typer.Option(help=options.help_of("priority"))] = None,
    webhook: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Receiver notified of the end; $LDNAS_WEBHOOK_SECRET (whsec_…) is its secret."
        ),
    ] = None,
    wait: options.Wait = True,
    timeout: options.Timeout = None,
    as_json: options.AsJson = False,
    url: options.Url = options.DEFAULT_URL,
    api_key: options.ApiKey = None,
) -> None:
    """Recommend an architecture: ldnas recommend builtin://digits --group 2,3,5,7 --rest"""
    from service.client.display.answer import print_answer
    from service.client.display.submitted import expectation_in_words

    search = _given({"strategy": strategy, "candidates": candidates, "rounds": rounds, "k": k, "space": space})
    limits = {"max_parameters": max_parameters, "max_macs": max_macs, "max_latency_ms": max_latency_ms}
    reference = options.dataset_reference(
        dataset,
        format=data_format,
        image_column=image_column,
        label_column=label_column,
        split_column=split_column,
        group_column=group_column,
        value_range=value_range,
    )
    with options.open_client(url, api_key) as client:
        submission = client.recommend(
            reference,
            name=name,
            labels=options.label_mapping(group, rest, balance),
            network=network,
            epsilon=epsilon,
            repetitions=repetitions,
            require_approximation=require_approximation,
            measure=measure,
            baselines=baseline or None,
            image_size=image_size,
            objective=objective,
            budget=_given({"seconds": seconds, "iterations": iterations}) or None,
            constraints=_given(limits) or None,
            search=search or None,
            candidates=candidate or None,
            pretrained=_pretrained(pretrained),
            final=_given({"seeds": final_seeds, "warm_start": warm_start}) or None,
            control=control,
            seed=seed,
            priority=priority,
            webhook=_webhook(webhook),
        )
        if (expected := expectation_in_words(submission.document)) is not None:
            waiting = "; first it waits for the baselines" if baseline else ""
            compared = "; then follows the comparison of --control" if control else ""
            typer.echo(f"{expected}{waiting}{compared}", err=True)
        shown = options.ShownClasses(client, submission.document["target"]["task_id"], submission.document)
        document: Mapping[str, Any] = (
            options.finished(client, submission, timeout, shown.look) if wait else submission.document
        )
    if as_json:
        options.print_json(document)
    elif wait:
        print_answer(document)
    else:
        typer.echo(f"recommendation {submission.id} is queued: {client.base_url}{submission.resource}")


def _pretrained(text: str | None) -> dict[str, str] | None:
    """The pretrained network of the request."""
    if text is None:
        return None
    architecture, separator, weights = text.partition("=")
    if not separator:
        raise typer.BadParameter(
            f"{text!r} is not ARCHITECTURE=WEIGHTS, such as resnet18=dataset://NAME", param_hint="--pretrained"
        )
    return {"architecture": architecture, "weights": weights}


def _webhook(url: str | None) -> dict[str, str] | None:
    """The webhook of the request; the secret comes from the environment, because other users can read command lines."""
    if url is None:
        return None
    secret = os.environ.get("LDNAS_WEBHOOK_SECRET")
    if not secret:
        raise typer.BadParameter(
            "LDNAS_WEBHOOK_SECRET, the secret that signs the messages, is not set; generate one with "
            'export LDNAS_WEBHOOK_SECRET="whsec_$(openssl rand -base64 32)"',
            param_hint="--webhook",
        )
    return {"url": url, "secret": secret}


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if value is not None}
