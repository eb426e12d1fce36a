"""Bulk rebinding of Huawei Cloud CEC called routes: paced, resumable, verifiable."""

__version__ = "0.1.0"
