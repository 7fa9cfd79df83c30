# SPDX-License-Identifier: Apache-2.0
"""What the flow tests and the bench stand on: servers, stages, clients. Real programs, real clients, no mocks."""
