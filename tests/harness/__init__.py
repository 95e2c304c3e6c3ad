"""Servers, clients and processes shared by the oracle, scenario, smuggling and failure tests.

Owns: starting a proxy with a configuration (`proxy_process`), scripted raw-socket upstreams
(`upstream`) and clients (`client`), and what one exchange is recorded as (`observation`).
Does not own any expectation: those live in the case files of each kind of test.
"""
