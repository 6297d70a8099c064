"""What computing time costs, as the user says; asyncbatch knows no prices."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from typing import Any, Self

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """Price of the resources that a job asks for.

    Attributes:
        vcpu_hour: Price of a vCPU for an hour.
        gib_hour: Price of a GiB of memory for an hour.
        gpu_hour: Price of a GPU for an hour.

    Raises:
        InvalidRequest: A price is not a number of 0 or more.
    """

    vcpu_hour: float
    gib_hour: float = 0.0
    gpu_hour: float = 0.0

    def __post_init__(self) -> None:
        """Check the prices."""
        for name in ("vcpu_hour", "gib_hour", "gpu_hour"):
            value = getattr(self, name)
            if not check.is_number(value) or value < 0:
                raise InvalidRequest(name, value, "must be a number of 0 or more")


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """Prices for the estimate of a report's cost.

    Fargate bills a task's own vCPUs and memory. EC2 bills instances, whatever runs on them, and AWS
    Batch does not say which instance ran a job. So there is no estimate for a job on EC2 unless
    `queues` has a price for its queue: that of one of your instance types, divided by its vCPUs.

    Attributes:
        currency: Currency of all prices, such as ``"USD"``.
        source: Where the prices are from, and of which date; shown in the report.
        fargate: Price for jobs on Fargate; None where there is none.
        queues: Price by name of the job queue; it comes before `fargate`.

    Raises:
        InvalidRequest: A value is of another type, or there is no price.

    Example:
        ```python
        from asyncbatch import Price, PriceTable

        prices = PriceTable(
            currency="USD",
            source="our contract, 2026-12-01",
            fargate=Price(vcpu_hour=0.05, gib_hour=0.005),
            queues={"spot": Price(vcpu_hour=0.01)},
        )
        ```
    """

    currency: str
    source: str
    fargate: Price | None = None
    queues: Mapping[str, Price] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the types."""
        check.text("currency", self.currency, rule="must be a text such as 'USD'", at_most=16)
        check.text("source", self.source, rule="say where the prices are from", at_most=500)
        queues = check.mapping("queues", self.queues)
        for name, price in [("fargate", self.fargate), *queues.items()]:
            if price is not None and not isinstance(price, Price):
                raise InvalidRequest(name, price, "must be a Price")
        if self.fargate is None and not queues:
            raise InvalidRequest("queues", queues, "give a price for `fargate` or for a queue")

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Self:
        """Read prices from a TOML file.

        It has ``currency`` and ``source``, a table ``[fargate]``, and a table ``[queues.NAME]`` for
        each queue, with ``vcpu_hour``, ``gib_hour`` and ``gpu_hour``.

        Args:
            path: The file.

        Raises:
            InvalidRequest: The file cannot be read, or a value in it is invalid.
        """
        import tomllib

        check.path("path", path)
        try:
            content = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InvalidRequest("path", str(path), f"cannot be read as TOML: {error}") from None
        queues = check.mapping("queues", content.pop("queues", {}))
        fargate = content.pop("fargate", None)
        table: dict[str, Any] = {
            "currency": content.pop("currency", None),
            "source": content.pop("source", None),
        }
        if content:
            rule = "there are currency, source, [fargate] and [queues.NAME]"
            raise InvalidRequest("path", str(path), f"{sorted(content)} are unknown: {rule}")
        return cls(
            **table,
            fargate=None if fargate is None else _price("fargate", fargate),
            queues={name: _price(f"queues.{name}", price) for name, price in queues.items()},
        )


def _price(field_name: str, value: object) -> Price:
    members = check.mapping(field_name, value)
    known = {"vcpu_hour", "gib_hour", "gpu_hour"}
    if not {"vcpu_hour"} <= set(members) <= known:
        raise InvalidRequest(field_name, members, f"needs vcpu_hour, and may have {sorted(known)}")
    return Price(**members)
