"""Logging: one event a line, with the ids it is about as fields (structlog)."""

import logging
import os
import sys

import structlog


def setup(level: str = "info", *, json: bool = False) -> None:
    """Log to standard error; key=value for people, JSON lines when asked."""
    renderer: structlog.types.Processor
    if json:
        renderer = structlog.processors.JSONRenderer()
    else:
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty() and "NO_COLOR" not in os.environ)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def get(part: str) -> structlog.typing.FilteringBoundLogger:
    """The logger of one part; `part` becomes a field of every line."""
    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger(part=part)
    return logger
